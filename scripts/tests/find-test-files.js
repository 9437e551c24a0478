import { readdirSync, readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'

/** The files that need a heavy guest (a proxy, a browser, a cluster), an outage, or much of a core, each with its reason. */
export const HEAVY = JSON.parse(readFileSync('test/heavy.json', 'utf8'))

/** They need a Keycloak that test/keycloak/run.js starts, and run only when they are asked for. */
const isApart = (file) => file.startsWith('test/keycloak/')

function readTestFiles () {
  return readdirSync('test', { recursive: true }).filter((file) => file.endsWith('.test.ts')).map((file) => `test/${file}`).toSorted()
}

/** Every test file of the suite, heavy or not, as a path from the project's folder. */
export function listTestFiles () {
  return readTestFiles().filter((file) => !isApart(file))
}

/**
 * The test files to run. Files and folders that were asked for are run from whichever set; without any it is the set:
 * `suite` (all that is not heavy), `heavy` or `all`. Throws when something asked for holds no test file.
 */
export function findTestFiles ({ set, wanted }) {
  if (wanted.length === 0) return listTestFiles().filter((file) => set === 'all' || (file in HEAVY) === (set === 'heavy'))
  const files = readTestFiles()
  const chosen = wanted.flatMap((path) => {
    const asked = relative('.', resolve(path))
    const found = files.filter((file) => file === asked || file.startsWith(`${asked}/`))
    if (found.length === 0) throw new Error(`${path}: no test file, and no folder with one`)
    return found
  })
  return [...new Set(chosen)]
}
