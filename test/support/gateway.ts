import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { findFreePort } from './free-port.js'

export interface Lifetime { teardown (end: () => unknown): unknown }

/** One line of the log, parsed. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string }

export interface TestGateway {
  readonly pid: number
  readonly port: number
  readonly adminPort: number
  /** Every log line so far, oldest first. */
  readonly log: readonly LogLine[]
  /** Everything written to standard output, byte for byte. */
  readonly stdout: () => string
  /** Everything written to standard error. */
  readonly stderr: () => string
  /** `ws://…` on the main port; `path` with its query. */
  url (path: string): string
  admin (path: string, init?: RequestInit): Promise<Response>
  /** The first matching line, already written or yet to come. Rejects after `withinMs` (default a minute). */
  waitForLog (event: string, matches?: (line: LogLine) => boolean, withinMs?: number): Promise<LogLine>
  signal (signal: NodeJS.Signals): void
  /** Resolves with the exit code once the process has ended. */
  readonly exited: Promise<number | null>
}

/** What a test waits for is no warm code, and hundreds are started. An earlier build does not know the setting, and says so. */
const COLD = { WS_WARM_UP: 'false' }

/** A machine that runs three test files at once may take long to start one process more. */
const START_MS = 120_000

/** Runs a built program of the gateway to its end, with exactly these settings: for starts that must fail. */
export async function runGateway (env: Readonly<Record<string, string>>, program = 'dist/main.js'): Promise<{ code: number | null, stderr: string }> {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A start that wrongly succeeds would run on after the test: it is ended, and its code null fails the test.
    timeout: START_MS,
    killSignal: 'SIGKILL'
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stderr }
}

function parseLine (line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return null
  }
}

async function stop (child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
  await exited
}

/**
 * Starts the built gateway as its own process, with exactly these settings, and waits until it takes connections with
 * keys at hand. `ready: false` only waits for the port, or for the line `first`; `openFiles`: its limit on descriptors, 0 as it is here.
 */
export async function startGateway (t: Lifetime, env: Readonly<Record<string, string>>, { program = 'dist/main.js', ready = true, first = 'server.started', openFiles = 0 } = {}): Promise<TestGateway> {
  const adminPort = env['ADMIN_PORT'] === undefined ? await findFreePort() : Number(env['ADMIN_PORT'])
  const settings = { PATH: process.env['PATH'] ?? '', HOST: '127.0.0.1', PORT: '0', ADMIN_PORT: String(adminPort), WS_DRAIN_SECONDS: '1', ...(program.startsWith('dist/') && COLD), ...env }
  const node = [process.execPath, program]
  const [command = '', ...args] = openFiles === 0 ? node : ['prlimit', `--nofile=${openFiles}`, ...node]
  const child = spawn(command, args, { env: settings, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: LogLine[] = []
  let stdout = ''
  let stderr = ''
  let ended = false
  const waiting = new Set<() => void>()
  const wake = (): void => { for (const check of [...waiting]) check() }
  const unreadable: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const parsed = parseLine(line)
    if (parsed === null) unreadable.push(line)
    else log.push(parsed)
    wake()
  })
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const exited = once(child, 'close').then(([code, signal]) => {
    ended = true
    wake()
    // Who is killed may be in the midst of its last line. Any other line is one that no operator's program could read.
    if (unreadable.length > (signal === 'SIGKILL' ? 1 : 0)) throw new Error(`lines of the log that are no JSON: ${unreadable.join('\n')}`)
    return code as number | null
  })
  t.teardown(() => stop(child, exited))

  async function waitForLog (event: string, matches: (line: LogLine) => boolean = () => true, withinMs = 60_000): Promise<LogLine> {
    return await new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        waiting.delete(check)
        clearTimeout(timer)
        done()
      }
      const check = (): void => {
        const found = log.find(line => line.event === event && matches(line))
        if (found !== undefined) settle(() => { resolve(found) })
        else if (ended) settle(() => { reject(new Error(`the gateway ended without a line ${event}: ${stderr}`)) })
      }
      const timer = setTimeout(() => { settle(() => { reject(new Error(`no line ${event} within ${withinMs} ms; there are ${log.map(line => line.event).join(', ')} ${stderr}`)) }) }, withinMs)
      waiting.add(check)
      check()
    })
  }
  const started = await waitForLog(first, undefined, START_MS)
  if (ready) await waitForLog('jwks.refreshed', undefined, START_MS)
  const port = Number(started['port'] ?? settings.PORT)
  return {
    pid: child.pid ?? -1,
    port,
    adminPort,
    log,
    stdout: () => stdout,
    stderr: () => stderr,
    url: path => `ws://127.0.0.1:${port}${path}`,
    admin: async (path, init) => await fetch(`http://127.0.0.1:${adminPort}${path}`, init),
    waitForLog,
    signal: (signal) => { child.kill(signal) },
    exited
  }
}

/** The settings that make a gateway trust a test issuer. */
export function trust (issuer: { issuer: string, audience: string, jwksUri: string }): Record<string, string> {
  return { JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: issuer.audience, JWT_JWKS_URI: issuer.jwksUri }
}
