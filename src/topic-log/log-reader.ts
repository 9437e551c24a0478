import { SLICE_EVENTS, type History } from '../history/history.js'
import { isAway } from '../redis/failure.js'
import type { Timers } from '../timers.js'
import { readRange } from './read-range.js'
import type { TopicLog } from './topic-log.js'

export interface LogReaderOptions {
  readonly history: Pick<History, 'readEvents'>
  readonly timers: Timers
  /** Events are read with the publisher's trace. */
  readonly showsTraces?: boolean
  /** Whether a log is still in use. */
  readonly isKept: (log: TopicLog) => boolean
  /** A log holds more. */
  readonly onLoaded: (log: TopicLog) => void
  /** One call for events was made. */
  readonly onRead: () => void
  /** The store will not tell, for a reason that is not its being away. */
  readonly onUnreadable: (error: unknown) => void
}

const RETRY_MS = 1000

/** Reads events from the store for the logs of a process: for each log one at a time, for all who wait. */
export class LogReader {
  /** Holes that are being filled; what comes of it: null, or why the store did not answer. */
  private readonly filling = new Map<TopicLog, Promise<Error | null>>()
  /** Slices of what came before that are being read; true: there was one. */
  private readonly loading = new Map<TopicLog, Promise<boolean>>()
  private readonly history: Pick<History, 'readEvents'>

  constructor (private readonly options: LogReaderOptions) {
    this.history = {
      readEvents: async (topic, range) => {
        options.onRead()
        return await options.history.readEvents(topic, range)
      }
    }
  }

  /** Reads what is missing in a log. The store that is away is asked again; what it has not got is a gap. */
  fill (log: TopicLog, from: number, to: number): void {
    const { timers, isKept } = this.options
    const asked = log.ask()
    const { epoch } = asked
    if (epoch === null) return log.takeNoEvents()
    const work = readRange(this.history, log.topic, { epoch, from, to }, this.options.showsTraces).then(
      ({ head, events }) => {
        log.takeEvents(head, events, to, asked)
        return null
      },
      (error: unknown) => {
        if (!isAway(error)) {
          this.options.onUnreadable(error)
          log.takeEvents(null, [], to, asked)
          return null
        }
        log.takeNoEvents()
        timers.after(RETRY_MS, () => { if (isKept(log)) log.drain() })
        return error instanceof Error ? error : new Error('the store did not answer')
      }
    ).finally(() => { if (this.filling.get(log) === work) this.filling.delete(log) })
    this.filling.set(log, work)
  }

  /** Resolves when no hole of a log is being filled; rejects when the store does not answer. */
  async untilFilled (log: TopicLog): Promise<void> {
    for (let hole = this.filling.get(log); hole !== undefined; hole = this.filling.get(log)) {
      const failure = await hole
      if (failure !== null) throw failure
    }
  }

  /**
   * Reads until a log holds every event from an offset on; false: they are not all there, the epoch has ended, or the store will not
   * tell. Rejects when it does not answer.
   */
  async load (log: TopicLog, epoch: string, from: number): Promise<boolean> {
    while (log.epoch === epoch && log.first > from) {
      const slice = this.loading.get(log) ?? this.loadSlice(log, epoch)
      if (!await slice) return false
    }
    return log.epoch === epoch
  }

  private async loadSlice (log: TopicLog, epoch: string): Promise<boolean> {
    const to = log.first - 1
    const work = this.readSlice(log, epoch, to).finally(() => { if (this.loading.get(log) === work) this.loading.delete(log) })
    this.loading.set(log, work)
    return await work
  }

  private async readSlice (log: TopicLog, epoch: string, to: number): Promise<boolean> {
    const range = { epoch, from: Math.max(1, to - SLICE_EVENTS + 1), to }
    const { events } = await readRange(this.history, log.topic, range, this.options.showsTraces).catch((error: unknown) => {
      if (isAway(error)) throw error
      this.options.onUnreadable(error)
      return { events: [] }
    })
    log.prepend(epoch, events)
    this.options.onLoaded(log)
    return events.length > 0
  }
}
