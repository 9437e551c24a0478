import type { Config } from './config/config.js'
import { loadConfig, unknownSettings } from './config/load-config.js'
import { CannotStart } from './cannot-start.js'
import { refuseDebugger } from './refuse-debugger.js'
import { tuneHeap } from './tune-heap.js'

/** What an operator must mend before a start can succeed is said in a sentence; anything else with its stack. */
function explain (error: unknown): string {
  if (error instanceof CannotStart) return error.message
  return error instanceof Error ? error.stack ?? error.message : String(error)
}

const ECHO_MS = 500

/** What runs in this process: one gateway, or the supervisor of several. */
export interface Runnable {
  start (): Promise<unknown>
  stop (reason: string): Promise<void>
  /** What SIGHUP asks for. Without it the signal ends the process, as when a terminal closes. */
  reload? (): void
  onFault (error: unknown, where: string): void
}

/** Null when that cannot be: then it is said, and the exit code is set. */
function prepare (create: (config: Config) => Runnable, env: NodeJS.ProcessEnv): Runnable | null {
  try {
    for (const name of unknownSettings(env)) process.stderr.write(`portcullis: unknown setting ${name} is ignored\n`)
    return create(loadConfig(env))
  } catch (error) {
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exitCode = 1
    return null
  }
}

/**
 * Runs the process: settings, signals, exit codes. Exit 0 after a drain, 1 when it cannot start.
 * The first SIGTERM or SIGINT drains, a second one ends at once. SIGHUP reloads the TLS files. SIGUSR1 and SIGUSR2 do nothing.
 */
export function runProcess (create: (config: Config) => Runnable, env: NodeJS.ProcessEnv): void {
  refuseDebugger()
  tuneHeap()
  const running = prepare(create, env)
  if (running === null) return
  // A fault in one callback must not end the connections of everybody else.
  process.on('uncaughtException', (error) => { running.onFault(error, 'uncaught') })
  process.on('unhandledRejection', (error) => { running.onFault(error, 'unhandled') })
  // A log file that has reached the largest size allowed to the process is a failed write, not the end of every connection.
  process.on('SIGXFSZ', () => {})

  const isEcho = createEchoFilter(env['npm_lifecycle_event'] !== undefined)
  let signals = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (isEcho()) return
      if (++signals > 1) return onSecondSignal(running)
      running.stop(signal).then(() => process.exit(0), () => process.exit(1))
    })
  }
  const { reload } = running
  if (reload !== undefined) process.on('SIGHUP', reload)
  running.start().catch((error: unknown) => {
    // Asked to end while it started: the stop says how that went.
    if (signals > 0) return
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exit(1)
  })
}

/**
 * Under npm a signal to the whole group, such as Ctrl-C, comes twice: from its sender, and passed on by npm. That is
 * one wish to end. Only one is taken for the other's echo, and only soon after it.
 */
function createEchoFilter (underNpm: boolean): () => boolean {
  let firstAtMs: number | null = null
  let heard = !underNpm
  return () => {
    const nowMs = performance.now()
    if (firstAtMs === null) {
      firstAtMs = nowMs
      return false
    }
    if (heard || nowMs - firstAtMs > ECHO_MS) return false
    heard = true
    return true
  }
}

/** The second signal ends the process at once. A supervisor ends its workers first. */
function onSecondSignal (running: Runnable): void {
  void running.stop('second signal')
  setImmediate(() => { process.exit(130) })
}
