// Makes what the package @portcullis/client ships, below packages/client/dist: the client as one ES module, the client for a script tag
// (its names stand in the global `portcullis`), and the types that those exports lead to.
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { buildSync } from 'esbuild-wasm'

const SOURCES = 'packages/client/src'
const TYPES = 'dist/client'
const FOLDER = 'packages/client/dist'
const STAMP = `${TYPES}/.package-stamp`
const OUTPUTS = [
  { outfile: `${FOLDER}/index.js`, format: 'esm' },
  { outfile: `${FOLDER}/portcullis-client.js`, format: 'iife', globalName: 'portcullis', minify: true }
]

/**
 * The declarations that this one leads to, itself among them.
 * @param {string} file
 * @param {Set<string>} found
 */
function followTypes (file, found = new Set()) {
  if (found.has(file)) return found
  found.add(file)
  const imported = readFileSync(`${TYPES}/${file}`, 'utf8').matchAll(/from '\.\/([a-z-]+)\.js'/g)
  for (const [, name] of imported) followTypes(`${name}.d.ts`, found)
  return found
}

const hash = createHash('sha256')
for (const file of readdirSync(SOURCES).sort()) hash.update(file).update(readFileSync(`${SOURCES}/${file}`))
for (const path of ['package-lock.json', 'scripts/bundle-client.js']) hash.update(readFileSync(path))
const stamp = hash.digest('hex')
const isMade = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp && OUTPUTS.every(({ outfile }) => existsSync(outfile))
if (!isMade) {
  rmSync(FOLDER, { recursive: true, force: true })
  mkdirSync(`${FOLDER}/types`, { recursive: true })
  for (const output of OUTPUTS) {
    buildSync({ ...output, entryPoints: [`${SOURCES}/exports.ts`], bundle: true, target: 'es2022', sourcemap: true, logLevel: 'warning' })
  }
  for (const file of followTypes('exports.d.ts')) copyFileSync(`${TYPES}/${file}`, `${FOLDER}/types/${file}`)
  writeFileSync(STAMP, stamp)
}
