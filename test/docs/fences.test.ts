import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { ofShell, type Known } from './command-faults.js'
import { PAGES, ROOT } from './documents.js'

const run = promisify(execFile)
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

const FENCE = /^```([^\n]*)\n([^]*?)^```$/gm
const SHELL = /^(sh|bash|console)\b/
/** Words in a sentence that are a command of this project. */
const COMMAND = /^(?:[A-Z_]+=\S+ )*(?:(?:npm|npx|node|portcullis|curl) \S|scripts\/\S+\.(?:sh|js)\b|\.ci\/\w)/

const fencesOf = (text: string): string[] => [...text.matchAll(FENCE)].filter(([, language = '']) => SHELL.test(language)).map(([,, block = '']) => block)

/** Commands in a page's sentences and tables, each once. What may be left out, as in `[-- FILE…]`, is taken along. */
function spokenIn (text: string): string[] {
  const spans = [...text.replace(FENCE, '').matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replace(/[[\]]/g, '').replace(/\s+/g, ' '))
  return [...new Set(spans.filter(span => COMMAND.test(span)))]
}

/** What is wrong with the commands of a page, beside their syntax. */
function faultsOf (page: string, text: string, known: Known): string[] {
  return [...fencesOf(text), ...spokenIn(text)].flatMap(command => ofShell(command, text, known)).map(fault => `${page}: ${fault}`)
}

/** Which shell texts do not parse. One bash makes a function of each, and calls none. */
async function unparsable (texts: readonly string[]): Promise<string[]> {
  const program = 'at=0\nfor text; do\neval "parsed () {\n:\n$text\n}" 2> /dev/null || echo "$at"\nat=$((at + 1))\ndone'
  const { stdout } = await run('bash', ['-c', program, 'bash', ...texts])
  return stdout.split('\n').filter(line => line !== '').map(line => texts[Number(line)] ?? line)
}

/** Runs the built command line, without a setting. */
async function runBuilt (...args: readonly string[]): Promise<string> {
  return (await run(process.execPath, ['dist/cli/main.js', ...args], { cwd: ROOT, env: { PATH: process.env['PATH'] ?? '' } })).stdout
}

const optionsIn = (help: string): string[] => [...help.matchAll(/^ {2}(?:-\w, )?--([a-z-]+)/gm)].map(([, name = '']) => name)

const [help, version, usage] = await Promise.all([runBuilt('--help'), runBuilt('--version'), run(join(ROOT, 'scripts/in-image.sh'), ['--help'])])
const COMMANDS = [...help.slice(help.indexOf('Commands:')).matchAll(/^ {2}([a-z-]+)\b/gm)].map(([, name = '']) => name).filter(name => name !== 'help')
const HELPS = await Promise.all(COMMANDS.map(async name => await runBuilt(name, '--help')))
const { scripts, version: release } = JSON.parse(read('package.json')) as { scripts: Record<string, string>, version: string }
const { paths } = JSON.parse(read('docs/openapi.json')) as { paths: Known['paths'] }
const KNOWN: Known = { scripts, paths, options: new Map([['', optionsIn(help)], ...COMMANDS.map((name, i): [string, string[]] => [name, optionsIn(HELPS[i] ?? '')])]) }

t.test('the commands that only tell are run, and tell', async (t) => {
  t.equal(version.trim(), release)
  t.same(COMMANDS, ['start', 'check', 'token', 'top', 'explain', 'rehearse', 'publish-script'])
  t.same(COMMANDS.filter((name, i) => !(HELPS[i] ?? '').startsWith(`Usage: portcullis ${name}`)), [])
  t.match(usage.stdout, 'usage: scripts/in-image.sh')
})

t.test('each kind of mistake in a command is found', async (t) => {
  const wrong: ReadonlyArray<readonly [command: string, fault: string]> = [
    ['npm run nothing', 'no script nothing'],
    ['npm ci && npm test -- test/nowhere.test.ts', 'no file test/nowhere.test.ts'],
    ['npm test -- --tims', 'no option --tims of scripts/tests/main.js'],
    ['npm run simulate -- --seads 3', 'no option --seads of test/simulator/main.ts'],
    ['npm run bench -- upgrade nothing --rounds 2', 'no case nothing'],
    ['cat token.txt | npx portcullis look --token -', 'no command portcullis look'],
    ['x="$(portcullis check --tokens -)" # a comment', 'no option --tokens of portcullis check'],
    ['node scripts/nothing.js', 'no file scripts/nothing.js'],
    ['scripts/in-image.sh --nod 22 npm test', 'no option --nod of scripts/in-image.sh'],
    ["scripts/in-image.sh --node 22 sh -c 'npm ci && npm run nothing'", 'no script nothing'],
    ['npx nothing', 'no program nothing for npx'],
    ['WS_NOTHING=1 npm start', 'no setting WS_NOTHING'],
    ['docker run -e WS_NOTHING=1 portcullis', 'no setting WS_NOTHING'],
    ['curl http://127.0.0.1:9002/v1/nothing', 'no path /v1/nothing'],
    ['curl -X DELETE https://gateway.example.com/v1/publish', 'no delete of /v1/publish'],
    ['REDIS_URL=redis://x:<password>@y npm start', '<password> is a redirection']
  ]
  const found = wrong.map(([command]) => faultsOf('a.md', `\`\`\`sh\n${command}\n\`\`\`\n`, KNOWN))
  t.same(found.map(faults => faults[0]), wrong.map(([, fault]) => `a.md: ${fault}`))
  t.match(faultsOf('a.md', 'One may `npm run nothing [-- FILE…]`.', KNOWN), ['a.md: no script nothing'])
  t.same(faultsOf('a.md', '```sh\nT=$(curl -X PUT http://127.0.0.1:9002/v1/bans/192.0.2.1) npm run bench -- guard < file && echo "$T"\n```\n', KNOWN), [])
  t.same(await unparsable(["echo it's", 'if true; then :; fi # that is all', 'echo )', 'true &&']), ["echo it's", 'echo )', 'true &&'])
})

t.test('what the commands of the documents name is there, and every fence of the shell parses', async (t) => {
  const texts = new Map(PAGES.map(page => [page, read(page)]))
  const fences = [...texts.values()].flatMap(fencesOf)
  t.ok(fences.length > 50 && [...texts.values()].flatMap(spokenIn).length > 60)
  t.same([...[...texts].flatMap(([page, text]) => faultsOf(page, text, KNOWN)), ...await unparsable(fences)], [])
})
