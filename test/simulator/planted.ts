import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PROJECT } from '../support/root.js'
import { PLANTED_BUGS, type PlantedBug } from './planted-bugs.js'

/** What the simulator says of a bug; `seed` null: nothing. */
export interface Finding {
  readonly name: string
  readonly seed: number | null
  readonly invariant: string
}

/** Within so many seeds a bug must be found. */
const MOST_SEEDS = 10_000

const projectFile = (path: string): string => fileURLToPath(new URL(path, PROJECT))

/** Copies the build and the simulator, so that the copy can be spoilt. */
function copyBuild (folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, '.test-build/packages/client'), { recursive: true })
  for (const path of ['package.json', 'dist']) cpSync(projectFile(path), join(folder, path), { recursive: true })
  for (const part of ['simulator', 'connection', 'access', 'support']) {
    cpSync(projectFile(`.test-build/test/${part}`), join(folder, '.test-build/test', part), { recursive: true })
  }
  symlinkSync('../dist', join(folder, '.test-build/src'))
  symlinkSync('../../../dist/client', join(folder, '.test-build/packages/client/src'))
}

/** The files of a build with a bug in, by path. Throws where one has changed, and the bug has no place there any more. */
export function spoil ({ name, edits }: PlantedBug, read: (file: string) => string): ReadonlyMap<string, string> {
  const spoilt = new Map<string, string>()
  for (const { file, find, replace } of edits) {
    const text = spoilt.get(file) ?? read(file)
    if (text.split(find).length !== 2) throw new Error(`${name}: ${file} does not hold once: ${find}`)
    spoilt.set(file, text.replace(find, () => replace))
  }
  return spoilt
}

/** Puts a bug in; returns what takes it out again. */
function plant (folder: string, bug: PlantedBug): () => void {
  const pathOf = (file: string): string => join(folder, 'dist', file)
  const before = new Map<string, string>()
  for (const [file, text] of spoil(bug, file => readFileSync(pathOf(file), 'utf8'))) {
    before.set(pathOf(file), readFileSync(pathOf(file), 'utf8'))
    writeFileSync(pathOf(file), text)
  }
  return () => { for (const [path, text] of before) writeFileSync(path, text) }
}

async function run (folder: string, mostSeeds: number): Promise<Pick<Finding, 'seed' | 'invariant'>> {
  const child = spawn(process.execPath, [join(folder, '.test-build/test/simulator/main.js'), '--seeds', String(mostSeeds)], {
    cwd: folder, stdio: ['ignore', 'pipe', 'ignore']
  })
  let text = ''
  for await (const part of child.stdout) text += String(part)
  const [, seed, invariant = ''] = /^seed (\d+) breaks "([a-z]+)/m.exec(text) ?? []
  return { seed: seed === undefined ? null : Number(seed), invariant }
}

/** Plants each bug and looks for it; tells of each as soon as it is found, or is not. */
export async function findPlanted (onFound: (finding: Finding) => void, { only = '', mostSeeds = MOST_SEEDS } = {}): Promise<void> {
  const folder = projectFile('.test-build/planted')
  copyBuild(folder)
  for (const bug of PLANTED_BUGS.filter(({ name }) => name.includes(only))) {
    const takeOut = plant(folder, bug)
    onFound({ name: bug.name, ...await run(folder, mostSeeds) })
    takeOut()
  }
  rmSync(folder, { recursive: true, force: true })
}
