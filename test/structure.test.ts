import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import ts from 'typescript'
import { PROJECT } from './support/root.js'

const SRC = fileURLToPath(new URL('src/', PROJECT))
const CLIENT = fileURLToPath(new URL('packages/client/src/', PROJECT))
const MAX_FUNCTION_LINES = 70

interface Import { readonly from: string, readonly typeOnly: boolean }
interface Source { readonly file: string, readonly text: string, readonly lines: number, readonly imports: readonly Import[] }

const IMPORT = /^import (?:(type) )?(?:([^'"]+?) from )?'([^']+)'$/gm

/** A relative import as a path below src, a package by its name. */
function targetOf (file: string, from: string): string {
  return from.startsWith('.') ? posix.join(posix.dirname(file), from).replace(/\.js$/, '.ts') : from
}

function readSource (root: string, file: string): Source {
  const text = readFileSync(root + file, 'utf8')
  const imports = [...text.matchAll(IMPORT)].map(([, type, names = '', from = '']) => {
    const everyNameIsType = /^\{.*\}$/s.test(names) && names.slice(1, -1).split(',').every(name => name.trim().startsWith('type '))
    return { from: targetOf(file, from), typeOnly: type !== undefined || everyNameIsType }
  })
  return { file, text, lines: text.trimEnd().split('\n').length, imports }
}

function readSources (root: string): Source[] {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
  return files.filter(file => file.endsWith('.ts')).toSorted().map(file => readSource(root, file))
}

const SOURCES = readSources(SRC)
const CLIENT_SOURCES = readSources(CLIENT)
const ROOTS = new Map([['src/', SOURCES], ['packages/client/src/', CLIENT_SOURCES]])
const valuesOf = ({ imports }: Source): string[] => imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => from)
/** The files of which something is true, for a rule that holds when there is none. */
const offenders = (offends: (source: Source) => boolean): string[] => SOURCES.filter(offends).map(({ file }) => file)
const named = (file: string): Source | undefined => SOURCES.find(source => source.file === file)

/** Each circle once, from the file at which the search meets it. */
function findCircles (sources: readonly Source[]): string[] {
  const byFile = new Map(sources.map(source => [source.file, source]))
  const circles: string[] = []
  const done = new Set<string>()
  const walk = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(' > '))
    if (path.includes(file) || done.has(file)) return
    for (const { from } of byFile.get(file)?.imports ?? []) walk(from, [...path, file])
    done.add(file)
  }
  for (const { file } of sources) walk(file, [])
  return circles
}

/** A factory with all that it makes counts as one function; a class does not. */
function findLongFunctions (file: string, text: string): string[] {
  const parsed = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const lineOf = (position: number): number => parsed.getLineAndCharacterOfPosition(position).line
  const visit = (node: ts.Node): void => {
    const lines = lineOf(node.end) - lineOf(node.getStart()) + 1
    if (ts.isFunctionLike(node) && 'body' in node && lines > MAX_FUNCTION_LINES) found.push(`${file}: ${nameOf(node)} has ${lines} lines`)
    ts.forEachChild(node, visit)
  }
  visit(parsed)
  return found
}

function nameOf (node: ts.SignatureDeclaration): string {
  const named = node.name === undefined && ts.isVariableDeclaration(node.parent) ? node.parent : node
  return named.name?.getText() ?? 'a function without a name'
}

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

t.test('one file loads OpenTelemetry, and it is loaded by no import that stands at the top of another', async (t) => {
  const TRACER = 'observe/tracing/otlp-tracer.ts'
  t.same(SOURCES.filter(source => valuesOf(source).some(from => from.startsWith('@opentelemetry/'))).map(({ file }) => file), [TRACER])
  t.same(SOURCES.filter(source => valuesOf(source).includes(TRACER)).map(({ file }) => file), [])
})

t.test('no path from the root is resolved against a server\'s address: the prefix of a gateway behind a proxy would be lost', async (t) => {
  t.same(offenders(({ text }) => /new URL\((['"`])\/[^)]*\1, /.test(text)), [])
})

t.test('a connection knows ports, not what is behind them', async (t) => {
  const behind = /^(#?ioredis|postgres|pino|uWebSockets\.js|#?prom-client|node:(http|https|net|fs|dns))$|^(gateway|redis|transport|http|dev|observe)\/|\/redis-|\/postgres/
  const known = SOURCES.filter(({ file }) => file.startsWith('connection/'))
    .flatMap(({ file, imports }) => imports.filter(({ from }) => behind.test(from)).map(({ from }) => `${file}: ${from}`))
  t.same(known, [])
})

t.test('kinds stand in their table: no other file names one', async (t) => {
  /** Names of others. */
  const FOREIGN = ['queueMicrotask', 'EnvHttpProxyAgent']
  const NAMED = /\b[A-Za-z_]*(?:agent|task)s?(?:_ids)?\b|pg(?:Agents|Tasks)\b/gi
  const offenders = SOURCES.filter(({ file }) => file !== 'kinds.ts').flatMap(({ file, text }) => {
    const code = text.replace(/\/\*[^]*?\*\/|\/\/.*/g, '')
    return [...code.matchAll(NAMED)].map(([name]) => name).filter(name => !FOREIGN.includes(name)).map(name => `${file}: ${name}`)
  })
  t.same(offenders, [])
})

t.test('nothing imports in a circle, types included', async (t) => {
  t.same([...findCircles(SOURCES), ...findCircles(CLIENT_SOURCES)], [])
})

t.test('the search for circles finds one, also of types', async (t) => {
  const source = (file: string, ...imports: Import[]): Source => ({ file, text: '', lines: 0, imports })
  const [value, type] = [(from: string): Import => ({ from, typeOnly: false }), (from: string): Import => ({ from, typeOnly: true })]
  const straight = [source('a.ts', value('b.ts'), type('c.ts')), source('b.ts', value('c.ts')), source('c.ts')]
  t.same(findCircles(straight), [])
  t.same(findCircles([...straight.slice(0, 2), source('c.ts', type('a.ts'))]), ['a.ts > b.ts > c.ts > a.ts'])
})

t.test('no function is over 70 lines', async (t) => {
  t.same([...ROOTS].flatMap(([root, sources]) => sources.flatMap(({ file, text }) => findLongFunctions(`${root}${file}`, text))), [])
})

t.test('the search for long functions counts from the name to the last bracket', async (t) => {
  const body = (lines: number): string => '\n'.repeat(lines - 1)
  t.same(findLongFunctions('a.ts', `function kept () {${body(70)}}\nfunction long () {${body(71)}}`), ['a.ts: long has 71 lines'])
  t.same(findLongFunctions('b.ts', `const long = () => {${body(80)}}\nclass C {\n  method () {${body(90)}}\n}`), ['b.ts: long has 80 lines', 'b.ts: method has 90 lines'])
})

t.test('no file is over 250 lines', async (t) => {
  t.same(SOURCES.filter(({ lines }) => lines > 250).map(({ file, lines }) => `${file}: ${lines}`), [])
})

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
