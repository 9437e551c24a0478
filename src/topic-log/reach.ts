import type { History, HistorySettings } from '../history/history.js'
import type { Position } from '../history/position.js'
import { isAway } from '../redis/failure.js'
import type { Confirmations } from './confirmations.js'
import type { HeadQuestions } from './head-questions.js'
import { firstSurelyKept, surelyKeeps } from './kept-bounds.js'
import type { LogReader } from './log-reader.js'
import type { TopicLog } from './topic-log.js'

export interface ReachOptions {
  readonly history: Pick<History, 'readHeads'>
  readonly settings: HistorySettings
  readonly reader: Pick<LogReader, 'load'>
  readonly questions: Pick<HeadQuestions, 'isAnsweredSince'>
  readonly confirmations: Pick<Confirmations, 'confirm'>
  /** In ms since the epoch. */
  readonly now: () => number
}

/** Gives what came before to those who come back: what the store keeps of it, no more, though this process may hold more. */
export class Reach {
  /** Up to this offset the store has said that it does not keep what follows. It never will again, in that epoch. */
  private readonly unkept = new WeakMap<TopicLog, Position>()
  /** Questions under way, by the offset that they name. */
  private readonly asking = new WeakMap<TopicLog, Map<number, Promise<boolean>>>()

  constructor (private readonly options: ReachOptions) {}

  /** See `TopicLogs.reach`. */
  async after (log: TopicLog, since: Position, moment: number): Promise<boolean> {
    const { reader, questions, confirmations } = this.options
    const isAhead = (): boolean => since.epoch !== log.epoch || since.offset > log.last
    try {
      // Another process may have heard more, or of a new epoch.
      if (isAhead() || !questions.isAnsweredSince(log, moment)) await confirmations.confirm(log)
    } catch (error) {
      // What is held is true all the same: before the next event it is healed, or a gap is told.
      if (!isAway(error) || isAhead() || !surelyKeeps(log, since.offset, this.options.settings, this.options.now())) throw error
    }
    if (isAhead() || !await this.isKept(log, since)) return false
    return await reader.load(log, since.epoch, since.offset + 1)
  }

  /** See `TopicLogs.reachLast`. */
  async last (log: TopicLog, count: number, moment: number): Promise<Position | null> {
    const { reader, settings, questions, confirmations, now } = this.options
    if (!questions.isAnsweredSince(log, moment)) {
      await confirmations.confirm(log).catch((error: unknown) => { if (!isAway(error)) throw error })
    }
    const { position } = log
    if (position === null) return null
    const wanted = Math.max(1, position.offset - count + 1)
    await reader.load(log, position.epoch, wanted)
    if (log.epoch !== position.epoch) return log.position
    const offset = Math.max(wanted, log.first) - 1
    const isKept = await this.isKept(log, { ...position, offset })
    return { epoch: position.epoch, offset: isKept ? offset : firstSurelyKept(log, offset, settings, now()) }
  }

  private async isKept (log: TopicLog, since: Position): Promise<boolean> {
    const { settings, now } = this.options
    if (surelyKeeps(log, since.offset, settings, now())) return true
    const unkept = this.unkept.get(log)
    if (unkept?.epoch === since.epoch && since.offset <= unkept.offset) return false
    const asking = this.asking.get(log) ?? new Map<number, Promise<boolean>>()
    this.asking.set(log, asking)
    const work = asking.get(since.offset) ?? this.ask(log, since).finally(() => { asking.delete(since.offset) })
    asking.set(since.offset, work)
    return await work
  }

  private async ask (log: TopicLog, since: Position): Promise<boolean> {
    const [answer] = await this.options.history.readHeads([{ topic: log.topic, since, touch: false }])
    if (answer?.status !== 'fulfilled') throw answer?.reason
    const { isKept, epoch } = answer.value
    if (isKept) return true
    const unkept = this.unkept.get(log)
    const isFurther = unkept?.epoch !== since.epoch || unkept.offset < since.offset
    if (epoch === since.epoch && isFurther) this.unkept.set(log, since)
    return false
  }
}
