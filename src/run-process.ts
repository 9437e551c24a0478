import type { Config } from './config/config.js'
import { ConfigError, loadConfig, unknownSettings } from './config/load-config.js'
import type { Gateway } from './gateway.js'
import { BindingError } from './server/binding.js'

/** What an operator must mend before a start can succeed is said in a sentence; anything else with its stack. */
function explain (error: unknown): string {
  if (error instanceof ConfigError || error instanceof BindingError) return error.message
  return error instanceof Error ? error.stack ?? error.message : String(error)
}

/**
 * Runs one gateway process: settings, signals, exit codes. Exit 0 after a drain, 1 when it cannot start.
 * The first SIGTERM or SIGINT drains, a second one ends at once.
 */
export function runProcess (create: (config: Config) => Gateway, env: NodeJS.ProcessEnv): void {
  let gateway: Gateway
  try {
    for (const name of unknownSettings(env)) process.stderr.write(`portcullis: unknown setting ${name} is ignored\n`)
    gateway = create(loadConfig(env))
  } catch (error) {
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exitCode = 1
    return
  }
  // A fault in one callback must not end the connections of everybody else.
  process.on('uncaughtException', (error) => { gateway.onFault(error, 'uncaught') })
  process.on('unhandledRejection', (error) => { gateway.onFault(error, 'unhandled') })

  let signals = 0
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(130)
      gateway.stop(signal).then(() => process.exit(0), () => process.exit(1))
    })
  }
  gateway.start().catch((error: unknown) => {
    process.stderr.write(`portcullis: ${explain(error)}\n`)
    process.exit(1)
  })
}
