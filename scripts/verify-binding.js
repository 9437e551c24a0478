// Refuses an uWebSockets.js that the suite has not run on: the build of the image ends with one sentence.
//   node scripts/verify-binding.js [FOLDER]      without it: node_modules/uWebSockets.js
// tested-bindings.json names each release by package and version, with the checksums of its loader, uws.js, and of its
// binaries, one for each processor and Node. `suite` says where the suite ran on a binary; null: on the same release only.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const folder = process.argv[2] ?? 'node_modules/uWebSockets.js'
const releases = JSON.parse(readFileSync(new URL('tested-bindings.json', import.meta.url), 'utf8'))
const found = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`

const checksum = (file) => createHash('sha256').update(readFileSync(join(folder, file))).digest('hex')

/** Why this binding may not be shipped; null when it may. */
function findFault (release) {
  if (release === undefined) return 'the suite has not run on this release'
  if (checksum('uws.js') !== release.loader) return 'uws.js is not the one that was tested'
  const tested = release.binaries[binary]
  if (tested === undefined) return `the suite has not run on its ${binary}`
  return checksum(binary) === tested.sha256 ? null : `${binary} is not the one that was tested`
}

const release = releases.find((one) => one.package === found.name && one.version === found.version)
const name = `${found.name} ${found.version}`
const fault = findFault(release)
if (fault === null) {
  const { suite } = release.binaries[binary]
  console.log(`${name}, ${binary}: tested ${suite === null ? 'on another processor only' : `on ${suite}`}`)
} else {
  console.error(`${name}: ${fault}; CONTRIBUTING.md says how a release gets into scripts/tested-bindings.json`)
  process.exit(1)
}
