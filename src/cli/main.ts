#!/usr/bin/env node
import { Command, InvalidArgumentError, Option, type CommanderError } from 'commander'
import { KINDS, type ByKind } from '../kinds.js'
import { VERSION } from '../version.js'
import type { CommandResult, ExplainOptions } from './explain/run-explain.js'
import type { RehearseOptions } from './run-rehearse.js'

const MAX_URL_LENGTH = 2048

function readUrl (text: string): URL {
  const url = text.length <= MAX_URL_LENGTH && URL.canParse(text) ? new URL(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) throw new InvalidArgumentError('wanted an http or https URL.')
  if (url.username !== '' || url.password !== '') throw new InvalidArgumentError('wanted a URL without credentials.')
  return url
}

/** Reads a number of seconds from `least` to `most`. */
const readSeconds = (least: number, most: number) => (text: string): number => {
  const seconds = /^\d{1,6}(\.\d{1,3})?$/.test(text) ? Number(text) : NaN
  if (!(seconds >= least && seconds <= most)) throw new InvalidArgumentError(`wanted seconds from ${least} to ${most}.`)
  return seconds
}

const urlOption = (meaning: string, fallback: string): Option =>
  new Option('--url <url>', meaning).argParser(readUrl).default(new URL(fallback), fallback)

/** A mistake in the arguments is no answer: 1 would mean that somebody is refused. */
function leave ({ exitCode }: CommanderError): never {
  process.exit(exitCode === 0 ? 0 : 2)
}

function finish ({ exitCode, stdout, stderr }: CommandResult): void {
  process.stdout.write(stdout)
  process.stderr.write(stderr)
  process.exitCode = exitCode
}

// Each command loads its own parts only: `token` needs no native layer, `start` no terminal.
const program = new Command('portcullis').description('A WebSocket gateway.').version(VERSION, '-V, --version', 'print the release').enablePositionalOptions()

program.command('start')
  .description('run the gateway on the settings in the environment; what is done without a command')
  .action(async () => {
    const { startServer } = await import('./start.js')
    startServer(process.env)
  })

program.command('check')
  .description('read the settings as `start` does, and try the issuers, Redis, the database and the TLS files; exit code 1 when one fails')
  .option('--json', 'write one JSON object')
  .option('--token <file>', 'look at this token as an upgrade would: a file that holds it, or - for the standard input; it is not shown')
  .action(async ({ json, token: from }: { json?: true, token?: string }) => {
    const parts = [import('./check/run-check.js'), import('./read-token.js'), import('./say-stale-build.js')] as const
    const [{ runCheck }, { readToken }, { sayStaleBuild }] = await Promise.all(parts)
    sayStaleBuild()
    const read = from === undefined ? null : await readToken(from, process.stdin)
    if (read?.ok === false) return program.error(`portcullis: ${read.reason}`)
    const write = (text: string): void => { process.stdout.write(text) }
    process.exitCode = await runCheck(process.env, { json: json === true, token: read?.token ?? null, write })
  })

const tokenCommand = program.command('token')
  .description('print a token of the issuer of a running development gateway (npm run dev)')
  .addOption(urlOption('its main port', 'http://127.0.0.1:9001'))
  .option('--sub <user>', 'whose token', 'alice')
for (const { claim, samples } of KINDS) tokenCommand.option(`--${claim} <ids>`, 'comma list, or * for all', samples.join(','))
tokenCommand
  .option('--scope <scopes>', 'separated by spaces', 'ws:send')
  .option('--ttl <seconds>', 'how long it is good', readSeconds(1, 86_400), 3600)
  .action(async ({ url, ...claims }: { url: URL, sub: string, scope: string, ttl: number } & ByKind<string>) => {
    const { fetchToken } = await import('./token.js')
    const answer = await fetchToken(url, { ...claims, ttl: String(Math.floor(claims.ttl)) })
    if (answer.ok) process.stdout.write(`${answer.token}\n`)
    else program.error(`portcullis: ${answer.reason}`)
  })

program.command('top')
  .description('show live what a gateway does, from its admin port; q ends')
  .addOption(urlOption('its admin port', 'http://127.0.0.1:9002'))
  .option('--interval <seconds>', 'time between two readings', readSeconds(0.1, 60), 1)
  .option('--once', 'print one frame and end')
  .action(async ({ url, interval, once }: { url: URL, interval: number, once?: true }) => {
    const { printFrame, runTop } = await import('./top/run-top.js')
    const options = { url, intervalMs: interval * 1000 }
    process.exitCode = once === true ? await printFrame(options, process.stdout) : await runTop(options, process)
  })

const explainCommand = program.command('explain')
  .description('ask a running gateway what an upgrade would be answered, and why; ADMIN_TOKEN in the environment. Exit code 0 accepted, 1 refused, 2 no answer')
  .addOption(urlOption('its admin port', 'http://127.0.0.1:9002'))
  .option('--token <file>', 'the token that the client presents: a file that holds it, or - for the standard input; it is not shown')
  .option('--claims <json>', 'claims that count as verified, in the place of a token')
  .option('--path <path>', 'the path', '/ws')
  .option('--address <ip>', 'where the client is; without it bans and the limit of attempts are left out')
  .option('--origin <origin>', 'of the page that connects')
  .option('--host <host>', 'which the client asks for, where the own host is an allowed origin')
  .option('--json', 'write the answer as JSON')
for (const { claim, list } of KINDS) explainCommand.option(`--${claim} <ids>`, `comma list, as in ${list}; or * for all`)
explainCommand.exitOverride(leave)
explainCommand.action(async (options: ExplainOptions) => {
  const { runExplain } = await import('./explain/run-explain.js')
  finish(await runExplain(options, process.env['ADMIN_TOKEN'], process.stdin))
})

program.command('rehearse')
  .description('play the connections of recorded logs against other limits, and say who would be let in or refused. Exit code 2: a setting or a log is wrong')
  .exitOverride(leave)
  .argument('[logs...]', 'log files, those of all processes; .gz is unpacked, - is the standard input')
  .option('--with <settings...>', 'limits as NAME=VALUE, such as WS_IP_CONNECTIONS=20; the others are those of the environment', [])
  .option('--json', 'write one JSON object')
  .action(async (logs: string[], options: RehearseOptions) => {
    const { runRehearse } = await import('./run-rehearse.js')
    // An option of several values takes what follows it too: what sets nothing is a log.
    const [settings, more] = [options.with.filter(text => text.includes('=')), options.with.filter(text => !text.includes('='))]
    finish(await runRehearse([...logs, ...more], { ...options, with: settings }, process.env, process.stdin))
  })

program.command('publish-script')
  .description('print the script by which back ends publish to Redis, with the settings in the environment (WS_HISTORY_…)')
  .action(async () => {
    const { readPublishScript } = await import('./publish-script.js')
    const answer = readPublishScript(process.env)
    if (answer.ok) process.stdout.write(answer.text)
    else program.error(`portcullis: ${answer.reason}`)
  })

program.on('command:*', ([name = '']: string[]) => {
  program.error(`portcullis: unknown command '${name}'; the commands are ${program.commands.map(command => command.name()).join(', ')}`)
})

// Not as commander's default command, which takes the name of an unknown one for its own argument.
const args = process.argv.slice(2)
await program.parseAsync(args.length === 0 ? ['start'] : args, { from: 'user' })
