import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SETTINGS } from '../../src/config/settings.js'
import { ROOT } from './documents.js'
import { readShell } from './shell-commands.js'

/** What commands of documents are held against. */
export interface Known {
  /** Scripts of package.json. */
  readonly scripts: Readonly<Record<string, string>>
  /** The long options of each command of `portcullis`; under an empty name those of none. */
  readonly options: ReadonlyMap<string, readonly string[]>
  /** Paths of the HTTP interface, with their methods in lower case. */
  readonly paths: Readonly<Record<string, object>>
}

type Words = readonly string[]

/** Variables in the documents that are no settings of ours: the Keycloak image's. */
const FOREIGN_VARIABLES = ['KC_BOOTSTRAP_ADMIN_USERNAME', 'KC_BOOTSTRAP_ADMIN_PASSWORD']
/** Programs that `npx` fetches. */
const FOREIGN_PROGRAMS = ['wscat']
const NPM_COMMANDS = ['ci', 'install', 'pack']
const ASSIGNMENT = /^[A-Za-z_]\w*=/
const VARIABLE = /^(?:--from-literal=|settings\.)?([A-Z][A-Z0-9_]+)=/
const OUR_FILE = /(?:^|=|\$PWD\/)(?:\.\/)?((?:docs|ops|scripts|bench|test|src|packages|clients|\.ci)\/[\w./-]*\w|\.env\.example)/
const OUR_ADDRESS = /^(?:https?|wss?):\/\/(?:gateway\.example[^/\s]*|[^/\s]+:900[12])(\/[^?#\s]*)/

const longOptions = (args: Words): string[] => args.flatMap(arg => /^--([a-z][a-z-]*)/.exec(arg)?.[1] ?? [])
const isThere = (file: string): boolean => existsSync(join(ROOT, file))

/** The source of a program as it is started: that of a built one is elsewhere. */
function sourceOf (file: string): string {
  const source = file.replace(/^\.test-build\//, '').replace(/^dist\//, 'src/')
  return isThere(source) ? source : source.replace(/\.js$/, '.ts')
}

function ofVariables (words: Words, page: string): string[] {
  const names = words.flatMap(word => VARIABLE.exec(word)?.[1] ?? [])
  return names.filter(name => !(name in SETTINGS) && !FOREIGN_VARIABLES.includes(name) && !page.includes(`$${name}`)).map(name => `no setting ${name}`)
}

function ofFiles (program: string, args: Words): string[] {
  // The last file of these is the one that they make.
  const read = ['cp', 'install'].includes(program) ? args.slice(0, -1) : args
  return [program, ...read].flatMap(word => OUR_FILE.exec(word)?.[1] ?? []).filter(file => !isThere(file)).map(file => `no file ${file}`)
}

/** The method of a call by curl; null: not a call by curl, so any is right. */
function methodOf (program: string, args: Words): string | null {
  if (program !== 'curl') return null
  const asked = args[args.indexOf('-X') + 1] ?? ''
  return args.includes('-X') ? asked.toLowerCase() : args.some(arg => /^(-d|--data.*)$/.test(arg)) ? 'post' : 'get'
}

function ofAddresses (program: string, args: Words, { paths }: Known): string[] {
  const method = methodOf(program, args)
  return args.flatMap(arg => OUR_ADDRESS.exec(arg)?.[1] ?? []).flatMap((path) => {
    const methods = Object.entries(paths).find(([name]) => new RegExp(`^${name.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))?.[1]
    if (methods === undefined) return [`no path ${path}`]
    return method === null || method in methods ? [] : [`no ${method} of ${path}`]
  })
}

function ofPortcullis (args: Words, { options }: Known): string[] {
  const name = args[0]?.startsWith('-') === false ? args[0] : ''
  const known = options.get(name)
  if (known === undefined) return [`no command portcullis ${name}`]
  return longOptions(args).filter(option => !known.includes(option)).map(option => `no option --${option} of portcullis ${name}`.trimEnd())
}

function ofNode (args: Words, known: Known): string[] {
  const at = args.findIndex(arg => !arg.startsWith('-'))
  const [file = '', ...rest] = at === -1 ? [] : args.slice(at)
  if (file === '') return []
  if (file === 'dist/cli/main.js') return ofPortcullis(rest, known)
  const source = sourceOf(file)
  if (!isThere(source)) return [`no program ${file}`]
  const text = readFileSync(join(ROOT, source), 'utf8')
  const isKnown = (option: string): boolean => text.includes(`--${option}`) || new RegExp(`\\b${option}'?: \\{ type`).test(text)
  const cases = file === 'bench/run.js' ? rest.filter((arg, i) => /^[a-z]+$/.test(arg) && !/^--/.test(rest[i - 1] ?? '')) : []
  return [
    ...longOptions(rest).filter(option => !isKnown(option)).map(option => `no option --${option} of ${source}`),
    ...cases.filter(name => name !== 'guard' && !isThere(`bench/cases/${name}.js`)).map(name => `no case ${name}`)
  ]
}

function ofNpm (args: Words, known: Known): string[] {
  const [command = '', ...rest] = args.filter(arg => arg !== '--silent')
  if (NPM_COMMANDS.includes(command)) return []
  const [name = '', ...more] = command === 'run' ? rest : [command, ...rest]
  const script = known.scripts[name]
  if (script === undefined) return [`no script ${name}`]
  // The arguments behind `--` are the script's last command's.
  return ofCommand([...readShell(script).commands.at(-1) ?? [], ...more.filter(arg => arg !== '--')], script, known)
}

function ofNpx ([program = '', ...args]: Words, known: Known): string[] {
  if (program === 'portcullis') return ofPortcullis(args, known)
  return FOREIGN_PROGRAMS.includes(program) || isThere(`node_modules/.bin/${program}`) ? [] : [`no program ${program} for npx`]
}

/** A command that is run elsewhere: what stands behind the wrapper's own options. */
function ofInImage (args: Words, page: string, known: Known): string[] {
  const text = readFileSync(join(ROOT, 'scripts/in-image.sh'), 'utf8')
  const at = args.findIndex((arg, i) => !arg.startsWith('--') && args[i - 1] !== '--node')
  const own = at === -1 ? args : args.slice(0, at)
  const unknown = longOptions(own).filter(option => !text.includes(`    --${option})`)).map(option => `no option --${option} of scripts/in-image.sh`)
  return [...unknown, ...at === -1 ? [] : ofCommand(args.slice(at), page, known)]
}

function ofProgram (program: string, args: Words, page: string, known: Known): string[] {
  switch (program) {
    case 'npm': return ofNpm(args, known)
    case 'npx': return ofNpx(args, known)
    case 'node': return ofNode(args, known)
    case 'portcullis': return ofPortcullis(args, known)
    case 'scripts/in-image.sh': return ofInImage(args, page, known)
    case 'sh': return ofShell(args.at(-1) ?? '', page, known)
    default: return []
  }
}

/** What is wrong with one command of a page. */
function ofCommand (words: Words, page: string, known: Known): string[] {
  const at = words.findIndex(word => !ASSIGNMENT.test(word) && word !== 'exec' && word !== 'export')
  const [program = '', ...args] = at === -1 ? [] : words.slice(at)
  const named = [...ofVariables(words, page), ...ofFiles(program, args), ...ofAddresses(program, args, known)]
  return [...named, ...ofProgram(program, args, page, known)]
}

/** What a shell text of a page names that is not there: scripts, commands, options, files, cases, settings, paths. */
export function ofShell (text: string, page: string, known: Known): string[] {
  const { commands, holes } = readShell(text)
  return [...holes.map(hole => `${hole} is a redirection`), ...commands.flatMap(words => ofCommand(words, page, known))]
}
