// node scripts/find-helm.js: prints where Helm is, for the test of the chart; builds it once from the Go module proxy, some minutes. Exit
// code 1, with a word, where it cannot be had.
import { pathToFileURL } from 'node:url'
import { cacheFolder, findGoProgram } from './go-program.js'

/** @param {{ build: boolean }} options false: only look for it @returns {string | null} its path */
export const findHelm = ({ build }) => findGoProgram({
  name: 'helm',
  version: '4.3.1',
  module: 'helm.sh/helm/v4/cmd/helm',
  folder: process.env.PORTCULLIS_PEERS ?? cacheFolder('peers'),
  build,
  note: text => { process.stderr.write(`helm: ${text}\n`) }
})

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const path = findHelm({ build: true })
  if (path === null) process.exitCode = 1
  else process.stdout.write(`${path}\n`)
}
