import { createGateway } from '../gateway/create-gateway.js'
import type { OrderLists, PageRequest } from '../control/control.js'
import type { ExplainQuestion } from '../explain/explanation.js'
import type { ConnectionsRequest, Operations } from '../gateway/operations.js'
import { refuseDebugger } from '../refuse-debugger.js'
import { SYSTEM_TIMERS } from '../timers.js'
import { createWarmUp } from '../warm-up/warm-up.js'
import { openIpcPeer } from './ipc-peer.js'
import { publishPacked } from './publish-call.js'

refuseDebugger()
/** Entry of one worker: a gateway whose admin port and log file are the supervisor's. */
const gateway = createGateway({
  settings: process.env,
  worker: Number(process.env['PORTCULLIS_WORKER']),
  othersServe: process.env['PORTCULLIS_OTHERS_SERVE'] !== undefined,
  warmUp: createWarmUp({ timers: SYSTEM_TIMERS })
})

const asked = { signal: 0, supervisor: 0 }
/**
 * A signal to all processes of a group reaches a worker twice, by itself and by its supervisor: that is one wish to
 * drain. Only the same one asking again is in a hurry.
 */
async function end (by: keyof typeof asked, reason: string): Promise<void> {
  const isFirst = asked.signal + asked.supervisor === 0
  if (++asked[by] === 1 && !isFirst) return
  try {
    await gateway.stop(reason)
    process.exit(0)
  } catch {
    process.exit(1)
  }
}

const link = openIpcPeer({
  send: (message) => { process.send?.(message, undefined, undefined, () => {}) },
  onMessage: (listener) => { process.on('message', listener) }
}, {
  ping: () => {},
  readiness: () => gateway.operations.readiness(),
  metrics: () => gateway.operations.metricsJson(),
  listConnections: (request: ConnectionsRequest) => gateway.operations.listConnections(request),
  explain: (question: ExplainQuestion, misread: readonly string[]) => gateway.operations.explain(question, misread),
  list: (name: keyof OrderLists, request: PageRequest) => gateway.operations.lists[name](request),
  publish: (packed: Parameters<typeof publishPacked>[1]) => publishPacked(gateway.operations.publishing, packed),
  order: async (name: keyof Operations['orders'], ...args: readonly unknown[]) => {
    await (gateway.operations.orders[name] as (...args: readonly unknown[]) => Promise<void>)(...args)
  },
  reload: gateway.reload,
  stop: (reason: string) => { void end('supervisor', reason) }
})

process.on('uncaughtException', (error) => { gateway.onFault(error, 'uncaught') })
process.on('unhandledRejection', (error) => { gateway.onFault(error, 'unhandled') })
// A terminal sends these to all processes at once; the supervisor decides what they mean.
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => {})
process.on('SIGTERM', () => { void end('signal', 'SIGTERM') })
// Without its supervisor nobody would restart it or read its log: lines that say how connections ended would go nowhere. So
// it dies at once, like a process that was killed, and a survivor writes them.
const dieAlone = (): void => { process.kill(process.pid, 'SIGKILL') }
process.on('disconnect', dieAlone)
// It may have gone while this program was loaded, when nobody listened yet.
if (!process.connected) dieAlone()

gateway.start().then(
  ({ port }) => { link.call('started', [port]).catch(() => {}) },
  (error: unknown) => {
    // It was asked to end while it started: that is no failure.
    if (asked.signal + asked.supervisor > 0) return
    process.stderr.write(`portcullis: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(1)
  }
)
