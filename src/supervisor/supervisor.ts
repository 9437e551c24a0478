import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { atMostLongestTimer } from '../longest-timer.js'
import { composeAdmin, type AdminPart } from '../gateway/admin.js'
import { openProcessLog } from '../gateway/process-log.js'
import { openTracer } from '../gateway/tracer.js'
import { createOperatorAudit } from '../observe/operator-audit.js'
import { loadTracing } from '../observe/tracing/load-tracing.js'
import type { Tracer } from '../observe/tracing/tracer.js'
import type { OnFault } from '../gateway/report.js'
import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import { createFleetOperations } from './fleet-operations.js'
import { Fleet } from './fleet.js'
import { writeEvent } from '../observe/log/log.js'

/** Beyond the drain time a worker that has not ended is ended. */
const DRAIN_GRACE_MS = 10_000

export interface Supervisor {
  /**
   * Starts the workers; resolves when all take connections. Rejects when one says on standard error why it cannot start before any
   * could, and when a port is taken: everything is closed again then. Stopped before: stays pending.
   */
  start (): Promise<void>
  /** Drains all workers. A second call ends them at once. */
  stop (reason: string): Promise<void>
  /** Has every worker take the TLS files as they are now; each tells in the log what came of it. */
  reload (): void
  readonly onFault: OnFault
}

/**
 * Keeps `WORKERS` processes running on one port: processes, because a thread that ends with an open socket takes the whole
 * process with it.
 */
export function createSupervisor (config: Config, entry: URL): Supervisor {
  const { host, port, workers: count, nodeId, drainMs } = config.server
  const processLog = openProcessLog(config, `${nodeId}-0-${randomBytes(3).toString('hex')}`, { writesFile: true })
  const { log, destination, onFault } = processLog
  const fleet = new Fleet({ entry, env: { ...process.env, NODE_ID: nodeId }, log, onLine: (line) => { destination.write(`${line}\n`) } })
  let stopping: Promise<void> | null = null
  const operatorAudit = createOperatorAudit((line) => { writeEvent(log, line) })
  const operations = createFleetOperations(fleet, () => stopping !== null)
  let tracer: Tracer | null = null
  let admin: AdminPart | null = null

  async function close (): Promise<void> {
    await fleet.ended()
    await admin?.close()
    await tracer?.close()
    operatorAudit.close()
  }
  async function stop (reason: string): Promise<void> {
    fleet.stop(reason)
    const overdue = setTimeout(() => { fleet.kill() }, atMostLongestTimer(drainMs + DRAIN_GRACE_MS))
    await close()
    clearTimeout(overdue)
    writeEvent(log, { event: 'supervisor.stopped', reason })
    await destination.close()
  }
  async function open (): Promise<void> {
    await checkPortIsFree(host, port)
    tracer = openTracer(await loadTracing(config.tracing), config, processLog)
    admin = composeAdmin({ config, operations, operatorAudit, tracer, onFault })
    await admin.listen()
    await fleet.start(count)
    writeEvent(log, { event: 'supervisor.started', workers: count })
  }

  return {
    onFault,
    reload () { fleet.reload() },
    async start () {
      try {
        await open()
      } catch (error) {
        fleet.kill()
        await close()
        await destination.close()
        throw error
      }
    },
    stop (reason) {
      if (stopping !== null) fleet.kill()
      stopping ??= stop(reason)
      return stopping
    }
  }
}

/** Workers share the port, and would share it in silence with a stranger as well. */
async function checkPortIsFree (host: string, port: number): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once('error', () => { reject(new CannotStart(`cannot listen on ${host}:${port}: the address is taken or not ours`)) })
    probe.listen(port, host, () => { probe.close(() => { resolve() }) })
  })
}
