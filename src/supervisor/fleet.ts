import type { Logger } from 'pino'
import { CannotStart } from '../cannot-start.js'
import { writeEvent } from '../observe/log/log.js'
import { startWorker, type WorkerProcess } from './worker-process.js'

export interface FleetOptions {
  /** The program of one worker. */
  readonly entry: URL
  readonly env: NodeJS.ProcessEnv
  readonly log: Logger
  /** Takes each log line of a worker, without its newline. */
  readonly onLine: (line: string) => void
  /** Makes the process of one worker. Default `startWorker`. */
  readonly make?: typeof startWorker
}

/** Somebody waits until the workers stand. */
interface FirstStart {
  stand (): void
  fail (error: Error): void
}

/** How an attempt to have a worker ended. `code`: of its exit, or of the system where no process could be made. */
type WorkerEnd =
  | { readonly event: 'worker.exited', readonly code: number | null, readonly signal: NodeJS.Signals | null }
  | { readonly event: 'worker.fork_failed', readonly reason: string }

const FIRST_RESTART_MS = 500
const MAX_RESTART_MS = 30_000
/** A worker that lived for a minute starts afresh in the count of failures. */
const STABLE_MS = 60_000
/** While no worker ever stood, one that ends by what may pass is tried so often; then the start has failed. */
const MAX_FIRST_TRIES = 5

/** The workers: each is started again when it ends, later each time it fails, until the fleet is stopped. */
export class Fleet {
  private readonly workers = new Map<number, WorkerProcess>()
  private readonly restarts = new Map<number, NodeJS.Timeout>()
  private readonly failures = new Map<number, number>()
  /** Numbers of those that have taken connections once. */
  private readonly stood = new Set<number>()
  private readonly endWaiters = new Set<() => void>()
  private first: FirstStart | null = null
  private count = 0
  private ending = false

  constructor (private readonly options: FleetOptions) {}

  /** Those that take connections. */
  running (): WorkerProcess[] {
    return [...this.workers.values()].filter(worker => worker.started)
  }

  /** Numbers of those that do not. */
  missing (): number[] {
    const running = new Set(this.running().map(({ number }) => number))
    return Array.from({ length: this.count }, (_, index) => index + 1).filter(number => !running.has(number))
  }

  /** Every worker has taken connections once. */
  get hasStood (): boolean { return this.count > 0 && this.stood.size === this.count }

  /**
   * Starts workers 1 to `count`; resolves when each has taken connections. Rejects with `CannotStart` when one says that it cannot start
   * before any other could: what is wrong then is wrong for all. One that ends otherwise is started again.
   */
  async start (count: number): Promise<void> {
    this.count = count
    await new Promise<void>((resolve, reject) => {
      this.first = { stand: resolve, fail: reject }
      for (let number = 1; number <= count; number++) this.launch(number)
    })
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

  private launch (number: number): void {
    const { entry, env, log, onLine, make = startWorker } = this.options
    const startedAtMs = performance.now()
    const livedMs = (): number => performance.now() - startedAtMs
    const worker = make(number, entry, this.running().length > 0 ? { ...env, PORTCULLIS_OTHERS_SERVE: '1' } : env, {
      onLine,
      onStarted: (port) => {
        writeEvent(log, { event: 'worker.started', worker: number, port })
        this.stood.add(number)
        if (this.hasStood) this.first?.stand()
      },
      onHung: () => { writeEvent(log, { event: 'worker.hung', worker: number }) },
      onForkFailed: (reason) => { this.afterEnd(number, 0, { event: 'worker.fork_failed', reason }) },
      onEnded: (_worker, code, signal) => { this.afterEnd(number, livedMs(), { event: 'worker.exited', code, signal }) }
    })
    if (worker !== null) this.workers.set(number, worker)
  }

  private afterEnd (number: number, livedMs: number, end: WorkerEnd): void {
    this.forget(number)
    if (this.ending) return
    const failed = livedMs >= STABLE_MS ? 0 : this.failures.get(number) ?? 0
    this.failures.set(number, failed + 1)
    if (this.stood.size === 0 && (isOwnWord(end) || failed + 1 >= MAX_FIRST_TRIES)) {
      const why = end.event === 'worker.fork_failed' ? `: no process can be made (${end.reason})` : ''
      return this.first?.fail(new CannotStart(`worker ${number} could not start${why}`))
    }
    const restartInMs = Math.min(MAX_RESTART_MS, FIRST_RESTART_MS * 2 ** failed)
    writeEvent(this.options.log, { ...end, worker: number, restart_in_ms: restartInMs })
    this.restarts.set(number, setTimeout(() => {
      this.restarts.delete(number)
      this.launch(number)
    }, restartInMs))
  }

  private forget (number: number): void {
    this.workers.delete(number)
    if (this.workers.size > 0) return
    for (const resolve of this.endWaiters) resolve()
    this.endWaiters.clear()
  }
}

/** A worker that ended with a code of its own has said on standard error what is wrong; a signal, or a full system, may pass. */
function isOwnWord (end: WorkerEnd): boolean {
  return end.event === 'worker.exited' && end.signal === null
}
