import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from '../support/root.js'

const FOLDER = fileURLToPath(new URL('src/gateway/', PROJECT))
const FILES = readdirSync(FOLDER).filter(file => file.endsWith('.ts'))
/** What each file imports of its own folder, types included. */
const IMPORTS = new Map(FILES.map(file => [file, Array.from(
  readFileSync(FOLDER + file, 'utf8').matchAll(/from '\.\/([a-z-]+)\.js'/g), ([, name = '']) => `${name}.ts`
)]))

function reach (file: string, seen: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  const direct = IMPORTS.get(file) ?? []
  return direct.reduce((all, next) => all.has(next) ? all : reach(next, new Set([...all, next])), seen)
}

t.test('ground, judges and doors stand on each other in this order, and only create-gateway stands on all', async (t) => {
  t.ok(reach('create-gateway.ts').size > 15, 'the reader of imports sees what is there')
  const upwards = [
    ['ground.ts', ['judges.ts', 'doors.ts', 'open-doors.ts', 'create-gateway.ts']],
    ['judges.ts', ['doors.ts', 'open-doors.ts', 'create-gateway.ts']],
    ['doors.ts', ['open-doors.ts', 'create-gateway.ts']]
  ] as const
  t.same(upwards.flatMap(([file, above]) => above.filter(one => reach(file).has(one)).map(one => `${file} > ${one}`)), [])
})

t.test('no file of the gateway imports itself by way of others, types included', async (t) => {
  t.same(FILES.filter(file => reach(file).has(file)), [])
})
