import type { Timers } from '../timers.js'
import type { TopicLog } from './topic-log.js'

export interface ComparisonsOptions {
  readonly timers: Timers
  readonly all: () => readonly TopicLog[]
  /** `touch`: what the store remembers of the topic is to live on. */
  readonly compare: (log: TopicLog, touch: boolean) => void
}

export interface Comparisons {
  /** Begins, unless it has begun. */
  start (): void
  stop (): void
}

/** Each log is compared with the store once in this time: a loss that nobody reports is found within 30 s, reading included. */
const ROUND_MS = 25_000
/** Parts of a round, so that the store is not asked for all at once. */
const PARTS = 25

/** Compares all logs with the store, round after round; in each round their events grow older by one. */
export function createComparisons ({ timers, all, compare }: ComparisonsOptions): Comparisons {
  let cancel: (() => void) | null = null
  let due: readonly TopicLog[] = []
  let part = 0

  function step (): void {
    if (part === 0) due = all()
    const size = Math.ceil(due.length / PARTS)
    for (const log of due.slice(part * size, (part + 1) * size)) {
      log.age()
      compare(log, true)
    }
    part = (part + 1) % PARTS
    cancel = timers.after(ROUND_MS / PARTS, step)
  }

  return {
    start () { cancel ??= timers.after(ROUND_MS / PARTS, step) },
    stop () {
      cancel?.()
      cancel = null
    }
  }
}
