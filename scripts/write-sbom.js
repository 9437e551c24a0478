// Writes the bill of materials (CycloneDX) of what runs in production, as npm reads it from package-lock.json: each package with its
// version, licence and checksum. The native binding is told as it is installed, as an image may have another than the lock file's.
//   node scripts/write-sbom.js FILE [FOLDER]      FOLDER: where the binding is; without it: node_modules/uWebSockets.js
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BINDING = 'uWebSockets.js'
/** Its package in the registry is called otherwise: under this name it comes from its own repository. */
const REPOSITORY = 'pkg:github/unetworking/uwebsockets.js'

const [file, folder = join('node_modules', BINDING)] = process.argv.slice(2)
if (file === undefined) {
  process.stderr.write('usage: node scripts/write-sbom.js FILE [FOLDER]\n')
  process.exit(2)
}
const read = path => JSON.parse(readFileSync(path, 'utf8'))
const { name, version } = read('package.json')
const NPM_SBOM = ['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx', '--sbom-type', 'application']
const bill = JSON.parse(execFileSync('npm', NPM_SBOM, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 }))

/**
 * What runs in production. npm's own `--omit dev` is not asked: it leaves out every package that something of development needs as
 * well, and so several that run here.
 */
function listProduction () {
  const locked = Object.entries(read('package-lock.json').packages).filter(([, { dev, optional, devOptional }]) => !dev && !optional && !devOptional)
  return new Set(locked.map(([path, { name, version }]) => `${name ?? path.split('node_modules/').at(-1)}@${version}`))
}

/** The binding of the lock file, or what stands in its place. */
function asInstalled (component) {
  const installed = read(join(folder, 'package.json'))
  if (installed.name !== BINDING) return component
  const { hashes, externalReferences, ...rest } = component
  return { ...rest, version: installed.version, purl: `${REPOSITORY}@v${installed.version}`, licenses: [{ license: { id: installed.license } }] }
}

// npm names the whole after the folder that it stands in.
bill.metadata.component = { ...bill.metadata.component, name, version }
const production = listProduction()
bill.dependencies = bill.dependencies.filter(({ ref }) => production.has(ref))
  .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter(each => production.has(each)) }))
bill.components = bill.components.filter(component => production.has(component['bom-ref'])).map(component => component.name === BINDING ? asInstalled(component) : component)
writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`)
