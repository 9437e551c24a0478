import type { Logger } from 'pino'
import { CannotStart } from '../cannot-start.js'
import { startWorker, type WorkerProcess } from './worker-process.js'
import { writeEvent } from '../observe/log/log.js'

export interface FleetOptions {
  /** The program of one worker. */
  readonly entry: URL
  readonly env: NodeJS.ProcessEnv
  readonly log: Logger
  /** Takes each log line of a worker, without its newline. */
  readonly onLine: (line: string) => void
}

interface FirstStart {
  started (): void
  failed (error: Error): void
}

const FIRST_RESTART_MS = 500
const MAX_RESTART_MS = 30_000
/** A worker that lived for a minute starts afresh in the count of failures. */
const STABLE_MS = 60_000

/** The workers: each is started again when it ends, later each time it fails, until the fleet is stopped. */
export class Fleet {
  private readonly workers = new Map<number, WorkerProcess>()
  private readonly restarts = new Map<number, NodeJS.Timeout>()
  private readonly failures = new Map<number, number>()
  private readonly endWaiters = new Set<() => void>()
  private ending = false

  constructor (private readonly options: FleetOptions) {}

  /** Those that take connections. */
  running (): WorkerProcess[] {
    return [...this.workers.values()].filter(worker => worker.started)
  }

  /** Starts workers 1 to `count`; resolves when all take connections. Rejects with `CannotStart` when one ends before. */
  async start (count: number): Promise<void> {
    const numbers = Array.from({ length: count }, (_, index) => index + 1)
    await Promise.all(numbers.map(async (number) => {
      await new Promise<void>((resolve, reject) => { this.launch(number, { started: resolve, failed: reject }) })
    }))
  }

  reload (): void {
    for (const worker of this.workers.values()) worker.reload()
  }

  /** Has every worker drain and end; none is started again. */
  stop (reason: string): void {
    this.endRestarts()
    for (const worker of this.workers.values()) worker.stop(reason)
  }

  /** Ends every worker at once; none is started again. */
  kill (): void {
    this.endRestarts()
    for (const worker of this.workers.values()) worker.kill()
  }

  /** Resolves when no worker is left. */
  async ended (): Promise<void> {
    if (this.workers.size > 0) await new Promise<void>((resolve) => { this.endWaiters.add(resolve) })
  }

  private endRestarts (): void {
    this.ending = true
    for (const timer of this.restarts.values()) clearTimeout(timer)
    this.restarts.clear()
  }

  /** `first`: the first start, on which the whole start depends. */
  private launch (number: number, first: FirstStart | null): void {
    const { entry, env, log, onLine } = this.options
    const startedAtMs = performance.now()
    this.workers.set(number, startWorker(number, entry, env, {
      onLine,
      onStarted: (port) => {
        writeEvent(log, { event: 'worker.started', worker: number, port })
        first?.started()
      },
      onHung: () => { writeEvent(log, { event: 'worker.hung', worker: number }) },
      onEnded: (worker, code, signal) => {
        this.forget(number)
        if (this.ending) return
        if (!worker.started && first !== null) return first.failed(new CannotStart(`worker ${number} could not start`))
        this.restartLater(number, performance.now() - startedAtMs, code, signal)
      }
    }))
  }

  private forget (number: number): void {
    this.workers.delete(number)
    if (this.workers.size > 0) return
    for (const resolve of this.endWaiters) resolve()
    this.endWaiters.clear()
  }

  private restartLater (number: number, livedMs: number, code: number | null, signal: NodeJS.Signals | null): void {
    const failed = livedMs >= STABLE_MS ? 0 : this.failures.get(number) ?? 0
    this.failures.set(number, failed + 1)
    const restartInMs = Math.min(MAX_RESTART_MS, FIRST_RESTART_MS * 2 ** failed)
    writeEvent(this.options.log, { event: 'worker.exited', worker: number, code, signal, restart_in_ms: restartInMs })
    this.restarts.set(number, setTimeout(() => {
      this.restarts.delete(number)
      this.launch(number, null)
    }, restartInMs))
  }
}
