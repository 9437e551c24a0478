import { HEARD, type Bus } from '../bus/bus.js'
import type { Head, HeadAnswer } from '../history/history.js'
import type { Position } from '../history/position.js'
import { isAway } from '../redis/failure.js'
import { createComparisons, type Comparisons } from './comparisons.js'
import { Confirmations } from './confirmations.js'
import { HeadQuestions } from './head-questions.js'
import type { HeldBytes } from './held-entries.js'
import { createLastWords, type LastWords } from './last-words.js'
import type { LogEntry } from './log-entry.js'
import { LogReader } from './log-reader.js'
import { createOpenings } from './openings.js'
import { Reach } from './reach.js'
import { toBlank, toEntry } from './to-entry.js'
import { TopicLog, type LogOutput } from './topic-log.js'
import type { KnownHead, TopicHandlers, TopicLogs, TopicLogsOptions } from './topic-logs.js'

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
  private readonly reader: LogReader | null
  private readonly lastWords: LastWords | null
  private readonly reaching: Reach | null
  /** Whose heads are to be asked for again. */
  private readonly retrying = new Set<TopicLog>()
  private handlers = NOBODY
  /** Of the topic that is being subscribed to in this turn. */
  private known: KnownHead | null = null
  private closed = false

  private readonly output: LogOutput = {
    deliver: (log, entry) => {
      this.shrink(log)
      this.handlers.onEntry(log.topic, entry)
    },
    tellGap: ({ topic, position }) => { if (position !== null) this.handlers.onGap(topic, position) },
    askHead: (log) => { this.questions?.ask(log, { heals: true }) },
    askEvents: (log, from, to) => { this.reader?.fill(log, from, to) },
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
          if (log.state === 'over') return
          if (heals) log.heal(answer, asked)
          else log.takeHead(answer, asked)
          this.opened(log)
        },
        onFailure: (log, error) => { this.failHead(log, error) }
      })
    this.reader = history === null
      ? null
      : new LogReader({
        ...options,
        history,
        isKept: log => this.logs.get(log.topic) === log,
        onLoaded: (log) => { this.shrink(log) },
        onRead: () => { options.onRead?.() },
        onUnreadable: (error) => { options.onUnreadable?.(error) }
      })
    this.lastWords = history === null
      ? null
      : createLastWords({ history, timers, onUnreadable: (error) => { options.onUnreadable?.(error) } })
    this.reaching = this.openReach()
    this.comparisons = createComparisons({
      timers,
      all: () => [...this.logs.values()],
      compare: (log, touch) => { if (log.state === 'open') this.questions?.ask(log, { touch }) }
    })
    this.bus = options.openBus({
      onEvent: (topic, event, place = null) => {
        const log = this.logs.get(topic)
        if (place === null || log === undefined) this.handlers.onPlain(topic, event)
        else log.hear(place.epoch, toEntry(topic, event, place, options.showsTraces))
      },
      onBlank: (topic, place) => { this.logs.get(topic)?.hear(place.epoch, toBlank(place)) },
      onHeard: (topic) => { this.hearAgain(topic) },
      onUnheard: (topics) => { for (const topic of topics) this.logs.get(topic)?.lose() },
      onLeft: (topic) => { this.leave(topic) }
    })
  }

  start (handlers: TopicHandlers): void { this.handlers = handlers }

  subscribe (topic: string, known: KnownHead | null = null): Promise<void> {
    const log = this.logs.get(topic) ?? this.open(topic)
    this.known = known
    const heard = this.bus.subscribe(topic)
    this.known = null
    const untilOpen = async (): Promise<void> => { if (log.state !== 'open' && this.logs.get(topic) === log) await this.openings.wait(log) }
    return heard === HEARD && log.state === 'open' ? HEARD : heard.then(untilOpen)
  }

  unsubscribe (topic: string): void { this.bus.unsubscribe(topic) }

  isOpen (topic: string): boolean { return (this.logs.get(topic)?.state ?? 'opening') !== 'opening' }

  positionOf (topic: string): Position | null { return this.logs.get(topic)?.position ?? null }

  headOf (topic: string, since: Position | null): HeadAnswer | null {
    return this.options.readHead?.({ topic, since, touch: true }) ?? null
  }

  after (topic: string, { epoch, offset }: Position): LogEntry | undefined {
    const log = this.logs.get(topic)
    return log?.epoch === epoch ? log.at(offset + 1) : undefined
  }

  holdsAfter (topic: string, position: Position): boolean { return this.logs.get(topic)?.holdsAfter(position) ?? false }

  moment (): number { return this.questions?.moment ?? 0 }

  async reach (topic: string, since: Position, moment: number): Promise<boolean> {
    const log = this.logs.get(topic)
    return log !== undefined && log.epoch !== null && (await this.reaching?.after(log, since, moment) ?? false)
  }

  async reachLast (topic: string, count: number, moment: number): Promise<Position | null> {
    const log = this.logs.get(topic)
    return log === undefined || log.epoch === null ? null : await this.reaching?.last(log, count, moment) ?? null
  }

  async close (): Promise<void> {
    this.closed = true
    this.comparisons.stop()
    this.lastWords?.close()
    await this.bus.close()
    for (const topic of [...this.logs.keys()]) this.leave(topic)
    this.options.history?.close()
  }

  private openReach (): Reach | null {
    const { questions, reader, options: { history, settings, timers, now = Date.now } } = this
    if (history === null || settings === null || questions === null || reader === null) return null
    const confirmations = new Confirmations(timers, async (log) => { await this.refresh(log) })
    return new Reach({ history, settings, reader, questions, confirmations, now })
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
    if (log.doubted !== null) this.lastWords?.say(topic, log.doubted)
    log.end()
    this.openings.settle(log, LEFT)
  }

  private hearAgain (topic: string): void {
    const log = this.logs.get(topic)
    if (log === undefined) return
    if (this.questions === null) log.openWithoutHead()
    // What was published since the store was asked is kept, and may have been given to the log already: it is newer than the answer.
    else if (this.isComplete(topic, this.known)) log.takeHead(this.known.head, { ...log.ask(), heard: 0 })
    else return this.questions.ask(log, { touch: true })
    this.opened(log)
  }

  private isComplete (topic: string, known: KnownHead | null): known is KnownHead {
    return known !== null && known.askedAtMs > (this.bus.completeSinceMs?.(topic) ?? Infinity)
  }

  private opened (log: TopicLog): void {
    this.openings.settle(log)
    this.handlers.onOpen(log.topic)
  }

  private failHead (log: TopicLog, error: unknown): void {
    if (this.closed || this.logs.get(log.topic) !== log) return
    if (!isAway(error)) {
      this.options.onUnreadable?.(error)
      this.bus.hearItself?.(log.topic)
      log.openWithoutHead()
      return this.opened(log)
    }
    this.openings.settle(log, error)
    if (log.needsHead) this.askAgain(log)
  }

  private askAgain (log: TopicLog): void {
    if (this.retrying.has(log)) return
    this.retrying.add(log)
    this.options.timers.after(RETRY_MS, () => {
      this.retrying.delete(log)
      if (this.logs.get(log.topic) === log) this.questions?.ask(log, { touch: true })
    })
  }

  private async renew (log: TopicLog, seen: Head): Promise<void> {
    const asked = log.ask()
    try {
      const head = await this.options.history?.renew(log.topic, seen)
      if (head !== undefined) log.takeHead(head, asked)
    } catch (error) {
      if (isAway(error)) this.askAgain(log)
      // The next comparison finds it again.
      else this.options.onUnreadable?.(error)
    }
  }

  /** Reads the head, and what it shows to be missing. */
  private async refresh (log: TopicLog): Promise<void> {
    if (this.questions === null) return
    const { moment } = this.questions
    this.questions.ask(log, { heals: true })
    do { // Once a topic is left nobody settles what is waited for.
      if (this.logs.get(log.topic) !== log) throw LEFT
      await this.openings.wait(log)
      // One that was asked before may be answered first.
    } while (!this.questions.isAnsweredSince(log, moment))
    await this.reader?.untilFilled(log)
  }

  /** Where too much is held, all but one log forget: who needs it reads it again. */
  private shrink (kept: TopicLog): void {
    if (this.held.bytes <= MAX_HELD_BYTES) return
    for (const log of this.logs.values()) if (log !== kept) log.forget()
  }
}
