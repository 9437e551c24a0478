// node bench/servers/centrifugo-binary.js: prints the folder of peers, Centrifugo in it where it can be built.
import { mkdirSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { cacheFolder, findGoProgram } from '../../scripts/go-program.js'

const VERSION = '6.9.1'

/** Where programs that the bench compares with are kept: outside the tree, and named by PORTCULLIS_PEERS. */
const folder = process.env.PORTCULLIS_PEERS ?? cacheFolder('peers')

/** What the tables call it. */
export const CENTRIFUGO = `Centrifugo ${VERSION}`

/** @type {string | null | undefined} */
let found

/**
 * The path of the binary; the Go module proxy's, built once, some minutes. Null, with a word, where there is no Go or the
 * build fails: the bench then goes on without it.
 * @returns {string | null}
 */
export function findCentrifugo () {
  found ??= findGoProgram({
    name: 'centrifugo', version: VERSION, module: 'github.com/centrifugal/centrifugo/v6', folder, note: text => { process.stderr.write(`bench: ${text}\n`) }
  })
  return found
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  findCentrifugo()
  mkdirSync(folder, { recursive: true })
  process.stdout.write(`${folder}\n`)
}
