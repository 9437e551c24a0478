import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { runCheck as runCommand } from '../../src/cli/check/run-check.js'

export interface CliResult { readonly code: number | null, readonly stdout: string, readonly stderr: string }
export interface Check { readonly part: string, readonly verdict: 'ok' | 'warn' | 'fail', readonly reason: string }

const LIMIT_MS = 60_000

/** Runs the built command line to its end, with exactly these settings and this input. */
export async function runCli (args: readonly string[], env: Readonly<Record<string, string>> = {}, input = ''): Promise<CliResult> {
  const child = spawn(process.execPath, ['dist/cli/main.js', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL'
  })
  child.stdin.end(input)
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => { output.stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { output.stderr += text })
  const [code] = await once(child, 'close') as [number | null]
  return { code, ...output }
}

export interface CheckResult {
  readonly code: number | null
  /** All that was written. */
  readonly output: string
  readonly checks: readonly Check[]
  /** The first verdict about a part whose reason starts so. */
  readonly find: (part: string, start?: string) => Check | undefined
}

function readResult (code: number | null, stdout: string, stderr: string): CheckResult {
  if (stdout === '') throw new Error(`check wrote nothing: ${stderr}`)
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean, checks: Check[] }
  if (ok !== (code === 0)) throw new Error(`ok is ${String(ok)}, and the exit code ${String(code)}`)
  return { code, output: stdout + stderr, checks, find: (part, start = '') => checks.find(check => check.part === part && check.reason.startsWith(start)) }
}

/** Others listen on this machine too, perhaps where a gateway does by default. */
export const FREE_PORTS = { PORT: '0', ADMIN_PORT: '0' }

/** Runs the built `check --json` as a process. */
export async function runBuiltCheck (env: Readonly<Record<string, string>>): Promise<CheckResult> {
  const { code, stdout, stderr } = await runCli(['check', '--json'], { ...FREE_PORTS, ...env })
  return readResult(code, stdout, stderr)
}

/** The same without a process: for the many ways in which something can be broken. */
export async function runCheck (env: Readonly<Record<string, string>>, token: string | null = null): Promise<CheckResult> {
  let output = ''
  const code = await runCommand({ ...FREE_PORTS, ...env }, { json: true, token, write: (text) => { output += text } })
  return readResult(code, output, '')
}
