import type { Timers } from '../timers.js'
import type { TopicLog } from './topic-log.js'

/**
 * A topic is asked about again after this time at the earliest: ten thousand who come back within a second are two hundred questions,
 * some 2 us of Redis each, and nobody waits for longer than the way there takes on a busy day.
 */
const REST_MS = 5

/**
 * Asks the store where topics stand, for those who name a position: what this process has heard may be of a store that was emptied
 * since. One question is for all who wait; who comes while it is under way waits for the next, as its answer may be older.
 */
export class Confirmations {
  private readonly waiting = new Map<TopicLog, Promise<void>>()
  /** Until the next question may be asked. */
  private readonly resting = new Map<TopicLog, Promise<void>>()

  constructor (private readonly timers: Pick<Timers, 'after'>, private readonly ask: (log: TopicLog) => Promise<void>) {}

  /** Resolves once an answer was taken to a question that was asked after this call; rejects when the store does not answer. */
  async confirm (log: TopicLog): Promise<void> {
    let work = this.waiting.get(log)
    if (work === undefined) {
      work = this.askInTurn(log)
      this.waiting.set(log, work)
    }
    await work
  }

  private async askInTurn (log: TopicLog): Promise<void> {
    // Also where there is nothing to wait for: this must not run before it stands in the map.
    await this.resting.get(log)
    this.waiting.delete(log)
    this.resting.set(log, new Promise((resolve) => {
      this.timers.after(REST_MS, () => {
        this.resting.delete(log)
        resolve()
      })
    }))
    await this.ask(log)
  }
}
