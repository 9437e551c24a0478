import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { PROJECT } from './support/root.js'

const SRC = fileURLToPath(new URL('src/', PROJECT))

interface Import { readonly from: string, readonly typeOnly: boolean }
interface Source { readonly file: string, readonly text: string, readonly lines: number, readonly imports: readonly Import[] }

const IMPORT = /^import (?:(type) )?(?:([^'"]+?) from )?'([^']+)'$/gm

/** A relative import as a path below src, a package by its name. */
function targetOf (file: string, from: string): string {
  return from.startsWith('.') ? posix.join(posix.dirname(file), from).replace(/\.js$/, '.ts') : from
}

function readSource (file: string): Source {
  const text = readFileSync(SRC + file, 'utf8')
  const imports = [...text.matchAll(IMPORT)].map(([, type, names = '', from = '']) => {
    const everyNameIsType = /^\{.*\}$/s.test(names) && names.slice(1, -1).split(',').every(name => name.trim().startsWith('type '))
    return { from: targetOf(file, from), typeOnly: type !== undefined || everyNameIsType }
  })
  return { file, text, lines: text.trimEnd().split('\n').length, imports }
}

const SOURCES = (readdirSync(SRC, { recursive: true }) as string[]).filter(file => file.endsWith('.ts')).toSorted().map(readSource)
const valuesOf = ({ imports }: Source): string[] => imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => from)
const named = (file: string): Source | undefined => SOURCES.find(source => source.file === file)

/** The steps of an upgrade: each is given what it needs, and knows nothing of the one before or after. */
const UPGRADE_STEPS = ['find-address', 'read-request', 'check-origin', 'identify', 'authorize', 'answer-refusal', 'upgrade-deadlines'].map(step => `connection/${step}.ts`)

t.test('the reader of imports sees what is there', async (t) => {
  t.ok(SOURCES.length > 100)
  t.ok(valuesOf(named('connection/lifecycle.ts') as Source).includes('connection/find-address.ts'))
  t.notOk(valuesOf(named('connection/lifecycle.ts') as Source).includes('access/authorizer.ts'), 'a type is no dependency')
  const missing = SOURCES.flatMap(({ file, imports }) => imports.filter(({ from }) => from.endsWith('.ts') && named(from) === undefined).map(({ from }) => `${file}: ${from}`))
  t.same(missing, [])
})

t.test('steps of an upgrade never import each other; only the lifecycle knows their order', async (t) => {
  t.same(UPGRADE_STEPS.filter(file => named(file) === undefined), [], 'each of them is there')
  const stepsIn = (source: Source): string[] => valuesOf(source).filter(from => UPGRADE_STEPS.includes(from))
  t.same(SOURCES.filter(source => UPGRADE_STEPS.includes(source.file) && stepsIn(source).length > 0).map(({ file }) => file), [])
  t.same(SOURCES.filter(source => stepsIn(source).length > 2).map(({ file }) => file), ['connection/lifecycle.ts'])
})

t.test('only the binding loads the native layer', async (t) => {
  const NATIVE = /^(uWebSockets\.js|@trufflesuite\/)/
  const loads = ({ file, text }: Source): boolean => file !== 'transport/uws/binding.ts' && /\b(require|import) ?\(['"`](uWebSockets\.js|@trufflesuite)/.test(text)
  t.same(SOURCES.filter(source => loads(source) || valuesOf(source).some(from => NATIVE.test(from))).map(({ file }) => file), [])
  t.same(SOURCES.filter(({ imports }) => imports.some(({ from }) => NATIVE.test(from))).map(({ file }) => posix.dirname(file)).filter(folder => folder !== 'transport/uws'), [])
})

t.test('a connection knows ports, not what is behind them', async (t) => {
  const behind = /^(ioredis|postgres|pino|uWebSockets\.js|fast-jwt|prom-client|node:(http|https|net|fs|dns))$|^(gateway|redis|transport|http|dev|observe)\/|\/redis-|\/postgres/
  const known = SOURCES.filter(({ file }) => file.startsWith('connection/'))
    .flatMap(({ file, imports }) => imports.filter(({ from }) => behind.test(from)).map(({ from }) => `${file}: ${from}`))
  t.same(known, [])
})

t.test('nothing imports a value in a circle', async (t) => {
  const done = new Set<string>()
  const circles: string[] = []
  const walk = (file: string, path: readonly string[]): void => {
    const circle = path.includes(file)
    if (circle) circles.push([...path.slice(path.indexOf(file)), file].join(' > '))
    const source = named(file)
    if (circle || done.has(file) || source === undefined) return
    for (const from of valuesOf(source)) walk(from, [...path, file])
    done.add(file)
  }
  for (const { file } of SOURCES) walk(file, [])
  t.same(circles, [])
  t.equal(done.size, SOURCES.length)
})

t.test('no file is over 250 lines', async (t) => {
  t.same(SOURCES.filter(({ lines }) => lines > 250).map(({ file, lines }) => `${file}: ${lines}`), [])
})

/** The files of which something is true, for a rule that holds when there is none. */
const offenders = (offends: (source: Source) => boolean): string[] => SOURCES.filter(offends).map(({ file }) => file)

t.test('nothing is of any type, unnamed, re-exported, or excused', async (t) => {
  const codeOf = ({ text }: Source): string => text.replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
  t.same(offenders(source => /[:<,|(&] *any\b *[,;)>[\]|&=]|\bas any\b/.test(codeOf(source))), [])
  t.same(offenders(source => /^export (default|\*|\{[^}]*\} from)\b/m.test(codeOf(source))), [])
  t.same(offenders(({ text }) => /@ts-(ignore|expect-error|nocheck)|eslint-disable/.test(text)), [])
})

t.test('files are named for what they are', async (t) => {
  t.same(offenders(({ file }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*\.ts$/.test(file)), [])
  t.same(offenders(({ file }) => /(^|[/-])(utils?|helpers?|common|manager|misc|index)([.-]|$)/.test(file)), [])
})
