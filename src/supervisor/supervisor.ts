import { randomBytes } from 'node:crypto'
import { createServer } from 'node:net'
import { composeAdmin } from '../gateway/admin.js'
import { openProcessLog } from '../gateway/process-log.js'
import type { OnFault } from '../gateway/report.js'
import { CannotStart } from '../cannot-start.js'
import type { Config } from '../config/config.js'
import { createFleetOperations } from './fleet-operations.js'
import { startWorker, type WorkerProcess } from './worker-process.js'

const FIRST_RESTART_MS = 500
const MAX_RESTART_MS = 30_000
/** A worker that lived so long starts afresh in the count of failures. */
const STABLE_MS = 60_000
/** Beyond the drain time a worker that has not ended is ended. */
const DRAIN_GRACE_MS = 10_000

export interface Supervisor {
  /** Starts the workers; resolves when all take connections. Rejects when one ends before: its reason is on standard error. */
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
  const { log, destination, onFault } = openProcessLog(config, `${config.server.nodeId}-0-${randomBytes(3).toString('hex')}`, true)
  const workers = new Map<number, WorkerProcess>()
  const restarts = new Map<number, NodeJS.Timeout>()
  const failures = new Map<number, number>()
  const endWaiters = new Set<() => void>()
  let draining = false
  let stopping: Promise<void> | null = null
  const running = (): WorkerProcess[] => [...workers.values()].filter(worker => worker.started)
  const admin = composeAdmin(config, createFleetOperations(running, () => draining), onFault)

  /** Starts worker `number`; the callbacks are for the first start, on which the whole start depends. */
  function launch (number: number, onFirst?: { started: () => void, failed: (error: Error) => void }): void {
    const startedAtMs = performance.now()
    workers.set(number, startWorker(number, entry, { ...process.env, NODE_ID: config.server.nodeId }, {
      onLine: (line) => { destination.write(`${line}\n`) },
      onStarted: (_worker, port) => {
        log.info({ event: 'worker.started', worker: number, port })
        onFirst?.started()
      },
      onHung: () => { log.error({ event: 'worker.hung', worker: number }) },
      onEnded: (worker, code, signal) => {
        workers.delete(number)
        for (const check of [...endWaiters]) check()
        if (draining) return
        if (!worker.started && onFirst !== undefined) return onFirst.failed(new CannotStart(`worker ${number} could not start`))
        restartLater(number, performance.now() - startedAtMs, code, signal)
      }
    }))
  }
  function restartLater (number: number, livedMs: number, code: number | null, signal: NodeJS.Signals | null): void {
    const failed = livedMs >= STABLE_MS ? 0 : failures.get(number) ?? 0
    failures.set(number, failed + 1)
    const restartInMs = Math.min(MAX_RESTART_MS, FIRST_RESTART_MS * 2 ** failed)
    log.error({ event: 'worker.exited', worker: number, code, signal, restart_in_ms: restartInMs })
    restarts.set(number, setTimeout(() => {
      restarts.delete(number)
      if (!draining) launch(number)
    }, restartInMs))
  }

  async function untilNoneIsLeft (): Promise<void> {
    await new Promise<void>((resolve) => {
      const check = (): void => {
        if (workers.size > 0) return
        endWaiters.delete(check)
        resolve()
      }
      endWaiters.add(check)
      check()
    })
  }
  async function stop (reason: string): Promise<void> {
    draining = true
    for (const timer of restarts.values()) clearTimeout(timer)
    for (const worker of workers.values()) worker.stop(reason)
    const overdue = setTimeout(() => { for (const worker of workers.values()) worker.kill() }, config.server.drainMs + DRAIN_GRACE_MS)
    await untilNoneIsLeft()
    clearTimeout(overdue)
    await admin.close()
    log.info({ event: 'supervisor.stopped', reason })
    await destination.close()
  }

  return {
    onFault,
    reload () { for (const worker of workers.values()) worker.reload() },
    async start () {
      await checkPortIsFree(config.server.host, config.server.port)
      await admin.listen()
      const numbers = Array.from({ length: config.server.workers }, (_, index) => index + 1)
      await Promise.all(numbers.map(async (number) => {
        await new Promise<void>((resolve, reject) => { launch(number, { started: resolve, failed: reject }) })
      }))
      log.info({ event: 'supervisor.started', workers: numbers.length })
    },
    stop (reason) {
      if (stopping !== null) for (const worker of workers.values()) worker.kill()
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
