import type { Bus, BusEvent, BusHandlers } from '../bus/bus.js'
import { SLICE_EVENTS, type Head, type History } from '../history/history.js'
import type { Position } from '../history/position.js'
import { isAway } from '../redis/failure.js'
import type { Timers } from '../timers.js'
import { HeadQuestions } from './head-questions.js'
import type { LogEntry } from './log-entry.js'
import { createComparisons, type Comparisons } from './comparisons.js'
import { createOpenings } from './openings.js'
import { readRange } from './read-range.js'
import { toBlank, toEntry } from './to-entry.js'
import { TopicLog, type HeldBytes, type LogOutput } from './topic-log.js'

export interface TopicLogsOptions {
  /** Null: nothing is remembered, and events have no places. */
  readonly history: History | null
  readonly openBus: (handlers: BusHandlers) => Bus
  readonly timers: Timers
  /** The store will not tell of a topic, for a reason that is not its being away. */
  readonly onUnreadable?: (error: unknown) => void
  /** One call for events was made. */
  readonly onRead?: () => void
}

/** What is done with what is heard. */
export interface TopicHandlers {
  /** Gives an event to the live connections. */
  readonly onEntry: (topic: string, entry: LogEntry) => void
  /** The same for one without a place. */
  readonly onPlain: (topic: string, event: BusEvent) => void
  /** Events of a topic may be missing for its live connections; the next one comes after `position`. */
  readonly onGap: (topic: string, position: Position) => void
  /** Where a topic stands is known now, for the first time or again. */
  readonly onOpen: (topic: string) => void
}

/** What a process knows of the topics that it listens to: a bus whose events have places, and what came before. */
export interface TopicLogs {
  /** To be called before the first `subscribe`. */
  start (handlers: TopicHandlers): void
  /** As `Bus.subscribe`; afterwards the topic's `position` is known, unless the store remembers nothing. */
  subscribe (topic: string): Promise<void>
  unsubscribe (topic: string): void
  /** Whether it is known where the topic stands, or that nothing is remembered of it. */
  isOpen (topic: string): boolean
  /** Where live events begin; null: nothing is known. */
  positionOf (topic: string): Position | null
  /** The event after a position, if it is held. */
  after (topic: string, position: Position): LogEntry | undefined
  /** Whether every event after a position is held. */
  holdsAfter (topic: string, position: Position): boolean
  /**
   * Makes sure that every event after a position is held, as far as this turn goes; false: they are not all there any more.
   * Rejects when the store does not answer.
   */
  reach (topic: string, since: Position): Promise<boolean>
  /** The same for the newest `count` events or as many as there are; resolves with the position before them, null: nothing is known. */
  reachLast (topic: string, count: number): Promise<Position | null>
  close (): Promise<void>
}

/** All logs together hold no more; what is dropped can be read again. */
const MAX_HELD_BYTES = 67_108_864
const RETRY_MS = 1000
/** What the store has given a place, and nobody has heard, may be on its way for this time. */
const ON_ITS_WAY_MS = 1000
const LEFT = new Error('the topic was left')
/** Before the start there is nobody to tell. */
const NOBODY: TopicHandlers = { onEntry () {}, onPlain () {}, onGap () {}, onOpen () {} }

/** Makes the logs of one process. */
export function createTopicLogs (options: TopicLogsOptions): TopicLogs {
  return new ProcessLogs(options)
}

class ProcessLogs implements TopicLogs {
  private readonly logs = new Map<string, TopicLog>()
  private readonly held: HeldBytes = { bytes: 0 }
  private readonly bus: Bus
  private readonly questions: HeadQuestions | null
  private readonly comparisons: Comparisons
  private readonly openings = createOpenings<TopicLog>()
  /** Holes that are being filled. */
  private readonly filling = new Map<TopicLog, Promise<void>>()
  /** Slices of what came before that are being read; true: there was one. */
  private readonly loading = new Map<TopicLog, Promise<boolean>>()
  private handlers = NOBODY
  private closed = false

  private readonly output: LogOutput = {
    deliver: (log, entry) => {
      this.shrink(log)
      this.handlers.onEntry(log.topic, entry)
    },
    tellGap: ({ topic, position }) => { if (position !== null) this.handlers.onGap(topic, position) },
    askHead: (log) => { this.questions?.ask(log, { heals: true }) },
    askEvents: (log, from, to) => { this.fill(log, from, to) },
    renew: (log, head) => { void this.renew(log, head) },
    lookAgain: (log) => { this.options.timers.after(ON_ITS_WAY_MS, () => { log.healIfBehind() }) }
  }

  constructor (private readonly options: TopicLogsOptions) {
    const { history, timers } = options
    this.questions = history === null
      ? null
      : new HeadQuestions({
        history,
        timers,
        onAnswer: (log, answer, asked, heals) => {
          if (heals) log.heal(answer, asked)
          else log.takeHead(answer, asked)
          this.opened(log)
        },
        onFailure: (log, error) => { this.failHead(log, error) }
      })
    this.comparisons = createComparisons({
      timers,
      all: () => [...this.logs.values()],
      compare: (log, touch) => { if (log.state === 'open') this.questions?.ask(log, { touch }) }
    })
    this.bus = options.openBus({
      onEvent: (topic, event, place = null) => {
        const log = this.logs.get(topic)
        if (place === null || log === undefined) this.handlers.onPlain(topic, event)
        else log.hear(place.epoch, toEntry(topic, event, place))
      },
      onBlank: (topic, place) => { this.logs.get(topic)?.hear(place.epoch, toBlank(place)) },
      onHeard: (topic) => { this.hearAgain(topic) },
      onUnheard: (topics) => { for (const topic of topics) this.logs.get(topic)?.lose() },
      onLeft: (topic) => { this.leave(topic) }
    })
  }

  start (handlers: TopicHandlers): void { this.handlers = handlers }

  async subscribe (topic: string): Promise<void> {
    const log = this.logs.get(topic) ?? this.open(topic)
    await this.bus.subscribe(topic)
    if (log.state !== 'open' && this.logs.get(topic) === log) await this.openings.wait(log)
  }

  unsubscribe (topic: string): void { this.bus.unsubscribe(topic) }

  isOpen (topic: string): boolean { return (this.logs.get(topic)?.state ?? 'opening') !== 'opening' }

  positionOf (topic: string): Position | null { return this.logs.get(topic)?.position ?? null }

  after (topic: string, { epoch, offset }: Position): LogEntry | undefined {
    const log = this.logs.get(topic)
    return log?.epoch === epoch ? log.at(offset + 1) : undefined
  }

  holdsAfter (topic: string, position: Position): boolean { return this.logs.get(topic)?.holdsAfter(position) ?? false }

  async reach (topic: string, since: Position): Promise<boolean> {
    const log = this.logs.get(topic)
    if (log?.epoch === undefined || log.epoch === null) return false
    // Another process may have heard more, or of a new epoch.
    if (since.epoch !== log.epoch || since.offset > log.last) await this.refresh(log)
    if (since.epoch !== log.epoch || since.offset > log.last) return false
    return await this.load(log, since.epoch, since.offset + 1)
  }

  async reachLast (topic: string, count: number): Promise<Position | null> {
    const log = this.logs.get(topic)
    const position = log?.position ?? null
    if (log === undefined || position === null) return null
    const wanted = Math.max(1, position.offset - count + 1)
    await this.load(log, position.epoch, wanted)
    return log.epoch === position.epoch ? { epoch: position.epoch, offset: Math.max(wanted, log.first) - 1 } : log.position
  }

  async close (): Promise<void> {
    this.closed = true
    this.comparisons.stop()
    await this.bus.close()
    for (const topic of [...this.logs.keys()]) this.leave(topic)
    this.options.history?.close()
  }

  private open (topic: string): TopicLog {
    const log = new TopicLog(topic, this.output, this.held)
    this.logs.set(topic, log)
    this.comparisons.start()
    return log
  }

  private leave (topic: string): void {
    const log = this.logs.get(topic)
    if (log === undefined) return
    this.logs.delete(topic)
    log.forget()
    this.openings.settle(log, LEFT)
  }

  private hearAgain (topic: string): void {
    const log = this.logs.get(topic)
    if (log === undefined) return
    if (this.questions !== null) return this.questions.ask(log, { touch: true })
    log.openWithoutHead()
    this.opened(log)
  }

  private opened (log: TopicLog): void {
    this.openings.settle(log)
    this.handlers.onOpen(log.topic)
  }

  private failHead (log: TopicLog, error: unknown): void {
    if (this.closed || this.logs.get(log.topic) !== log) return
    if (!isAway(error)) {
      this.options.onUnreadable?.(error)
      log.openWithoutHead()
      return this.opened(log)
    }
    this.openings.settle(log, error)
    // While it is open nothing is known to be missing: the next comparison asks.
    if (log.state !== 'open') this.options.timers.after(RETRY_MS, () => { if (this.logs.get(log.topic) === log) this.questions?.ask(log) })
  }

  /** Reads what is missing. The store that is away is asked again; what it has not got is a gap. */
  private fill (log: TopicLog, from: number, to: number): void {
    const { history, timers } = this.options
    const asked = log.ask()
    const { epoch } = asked
    if (history === null || epoch === null) return log.takeNoEvents()
    const work = readRange(this.counted(history), log.topic, { epoch, from, to }).then(
      ({ head, events }) => { log.takeEvents(head, events, to, asked) },
      (error: unknown) => {
        if (!isAway(error)) return log.takeEvents(null, [], to, asked)
        log.takeNoEvents()
        timers.after(RETRY_MS, () => { if (this.logs.get(log.topic) === log) log.drain() })
      }
    ).finally(() => { if (this.filling.get(log) === work) this.filling.delete(log) })
    this.filling.set(log, work)
  }

  private counted (history: History): Pick<History, 'readEvents'> {
    return {
      readEvents: async (topic, range) => {
        this.options.onRead?.()
        return await history.readEvents(topic, range)
      }
    }
  }

  private async renew (log: TopicLog, seen: Head): Promise<void> {
    const asked = log.ask()
    try {
      const head = await this.options.history?.renew(log.topic, seen)
      if (head !== undefined) log.takeHead(head, asked)
    } catch (error) {
      // The next comparison finds it again.
      if (!isAway(error)) this.options.onUnreadable?.(error)
    }
  }

  /** Reads the head, and what it shows to be missing. */
  private async refresh (log: TopicLog): Promise<void> {
    if (this.questions === null) return
    const answered = this.openings.wait(log)
    this.questions.ask(log, { heals: true })
    await answered
    for (let hole = this.filling.get(log); hole !== undefined; hole = this.filling.get(log)) await hole
  }

  /** Holds every event from an offset on; false: they are not all there. */
  private async load (log: TopicLog, epoch: string, from: number): Promise<boolean> {
    while (log.epoch === epoch && log.first > from) {
      const slice = this.loading.get(log) ?? this.loadSlice(log, epoch)
      if (!await slice) return false
    }
    return log.epoch === epoch
  }

  /** One reader a log: all who wait for older events wait for the same slice. */
  private async loadSlice (log: TopicLog, epoch: string): Promise<boolean> {
    const { history } = this.options
    const to = log.first - 1
    if (history === null) return false
    const slice = (async () => {
      const { events } = await readRange(this.counted(history), log.topic, { epoch, from: Math.max(1, to - SLICE_EVENTS + 1), to })
      if (events.length > 0) log.prepend(epoch, events)
      this.shrink(log)
      return events.length > 0
    })()
    const work = slice.finally(() => { if (this.loading.get(log) === work) this.loading.delete(log) })
    this.loading.set(log, work)
    return await work
  }

  /** Where too much is held, all but one log forget: who needs it reads it again. */
  private shrink (kept: TopicLog): void {
    if (this.held.bytes <= MAX_HELD_BYTES) return
    for (const log of this.logs.values()) if (log !== kept) log.forget()
  }
}
