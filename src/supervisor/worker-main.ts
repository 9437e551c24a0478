import { createGateway } from '../gateway.js'
import { loadConfig } from '../config/load-config.js'
import { openLink } from './link.js'

/** Entry of one worker: a gateway whose admin port and log file are the supervisor's. */
const gateway = createGateway(loadConfig(process.env), { worker: Number(process.env['PORTCULLIS_WORKER']), adminElsewhere: true })
const { operations, onFault } = gateway

async function end (reason: string): Promise<void> {
  try {
    await gateway.stop(reason)
    process.exit(0)
  } catch {
    process.exit(1)
  }
}

const link = openLink({
  send: (message) => { process.send?.(message, undefined, undefined, () => {}) },
  onMessage: (listener) => { process.on('message', listener) }
}, {
  ping: () => {},
  readiness: operations.readiness,
  metrics: operations.metricsJson,
  listConnections: operations.listConnections,
  publish: operations.publish,
  order: async (name: keyof typeof operations.orders, ...args: readonly unknown[]) => {
    await (operations.orders[name] as (...args: readonly unknown[]) => Promise<void>)(...args)
  },
  stop: (reason: string) => { void end(reason) }
})

process.on('uncaughtException', (error) => { onFault(error, 'uncaught') })
process.on('unhandledRejection', (error) => { onFault(error, 'unhandled') })
// A terminal sends SIGINT to all processes at once; the supervisor decides what it means.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => { void end('SIGTERM') })
// Without its supervisor nobody would restart it, read its log or end it.
process.on('disconnect', () => { void end('supervisor lost') })

gateway.start().then(
  ({ port }) => { link.call('started', [port]).catch(() => {}) },
  (error: unknown) => {
    process.stderr.write(`portcullis: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
)
