import type { HeadAnswer, History } from '../history/history.js'
import { isAway } from '../redis/failure.js'
import type { Timers } from '../timers.js'
import type { Asked } from './asked.js'
import type { TopicLog } from './topic-log.js'

export interface HeadQuestionsOptions {
  readonly history: Pick<History, 'readHeads'>
  readonly timers: Timers
  /** `heals`: what the answer shows to be missing is to be read at once. */
  readonly onAnswer: (log: TopicLog, answer: HeadAnswer, asked: Asked, heals: boolean) => void
  readonly onFailure: (log: TopicLog, error: unknown) => void
}

/** Gathers the questions of one turn into one call. */
export class HeadQuestions {
  /** Calls so far: moments in the order of questions. */
  moment = 0
  private readonly waiting = new Map<TopicLog, { heals: boolean, touch: boolean }>()
  /** Which call was answered last for a log. */
  private readonly answered = new WeakMap<TopicLog, number>()

  constructor (private readonly options: HeadQuestionsOptions) {}

  /** `touch`: what the store remembers of the topic is to live on. */
  ask (log: TopicLog, { heals = false, touch = false } = {}): void {
    if (this.waiting.size === 0) this.options.timers.soon(() => { void this.flush() })
    const before = this.waiting.get(log)
    this.waiting.set(log, { heals: heals || before?.heals === true, touch: touch || before?.touch === true })
  }

  /** Whether an answer was taken to a question that was asked after a moment. */
  isAnsweredSince (log: TopicLog, moment: number): boolean { return (this.answered.get(log) ?? 0) > moment }

  private async flush (): Promise<void> {
    const moment = ++this.moment
    const { history, onAnswer, onFailure } = this.options
    const asking = [...this.waiting].map(([log, how]) => ({ log, asked: log.ask(), ...how }))
    this.waiting.clear()
    const answers = await history.readHeads(asking.map(({ log: { topic }, touch }) => ({ topic, since: null, touch })))
      .catch((error: unknown) => asking.map((): PromiseRejectedResult => ({ status: 'rejected', reason: error })))
    for (const [n, { log, asked, heals }] of asking.entries()) {
      const answer = answers[n]
      if (answer?.status !== 'fulfilled') {
        // That it will not tell is its answer.
        if (!isAway(answer?.reason)) this.answered.set(log, moment)
        onFailure(log, answer?.reason)
        continue
      }
      this.answered.set(log, moment)
      onAnswer(log, answer.value, asked, heals)
    }
  }
}
