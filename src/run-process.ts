import type { Config } from './config/config.js'
import { loadConfig, unknownSettings } from './config/load-config.js'
import { NOT_IN_FORCE } from './config/settings.js'
import { CannotStart } from './cannot-start.js'

/** What an operator must mend before a start can succeed is said in a sentence; anything else with its stack. */
function explain (error: unknown): string {
  if (error instanceof CannotStart) return error.message
  return error instanceof Error ? error.stack ?? error.message : String(error)
}

/** What is set and would be expected to do something, but does nothing; 0 asks for nothing. */
function idleSettings (env: NodeJS.ProcessEnv): string[] {
  return NOT_IN_FORCE.filter(name => !['', '0'].includes(env[name]?.trim() ?? ''))
}

/** What runs in this process: one gateway, or the supervisor of several. */
export interface Runnable {
  start (): Promise<unknown>
  stop (reason: string): Promise<void>
  onFault (error: unknown, where: string): void
}

/**
 * Runs the process: settings, signals, exit codes. Exit 0 after a drain, 1 when it cannot start.
 * The first SIGTERM or SIGINT drains, a second one ends at once.
 */
export function runProcess (create: (config: Config) => Runnable, env: NodeJS.ProcessEnv): void {
  let running: Runnable
  try {
    for (const name of unknownSettings(env)) process.stderr.write(`portcullis: unknown setting ${name} is ignored\n`)
    for (const name of idleSettings(env)) process.stderr.write(`portcullis: ${name} is not in force yet: it changes nothing\n`)
    running = create(loadConfig(env))
  } catch (error) {
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exitCode = 1
    return
  }
  // A fault in one callback must not end the connections of everybody else.
  process.on('uncaughtException', (error) => { running.onFault(error, 'uncaught') })
  process.on('unhandledRejection', (error) => { running.onFault(error, 'unhandled') })

  let signals = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++signals > 1) return onSecondSignal(running)
      running.stop(signal).then(() => process.exit(0), () => process.exit(1))
    })
  }
  running.start().catch((error: unknown) => {
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exit(1)
  })
}

/** Whoever asks twice does not want to wait. A supervisor ends its workers first. */
function onSecondSignal (running: Runnable): void {
  void running.stop('second signal')
  setImmediate(() => { process.exit(130) })
}
