import type { Head, History } from '../history/history.js'
import { isAway } from '../redis/failure.js'
import type { Timers } from '../timers.js'

export interface LastWordsOptions {
  readonly history: Pick<History, 'readHeads' | 'renew'>
  readonly timers: Pick<Timers, 'after'>
  /** The store will not tell of a topic, for a reason that is not its being away. */
  readonly onUnreadable: (error: unknown) => void
}

export interface LastWords {
  /** One offset of this numbering came with two events, and the topic is left before the store was told. */
  say (topic: string, epoch: string): void
  close (): void
}

const RETRY_MS = 1000
/** As long as clients may take to come back with a position of that numbering. */
const MAX_TRIES = 300
const MAX_TOPICS = 1000

/** Tells the store what a process knew of a topic's numbering as it left the topic: it may have been the only one. */
export function createLastWords ({ history, timers, onUnreadable }: LastWordsOptions): LastWords {
  /** Numbering by topic. */
  const unsaid = new Map<string, string>()
  let closed = false

  async function tell (topic: string, epoch: string): Promise<void> {
    const [answer] = await history.readHeads([{ topic, since: null, touch: false }])
    if (answer?.status !== 'fulfilled') throw answer?.reason
    let head: Head = answer.value
    // What is published between a reading and the renewal makes it void: then the head is the present one.
    while (head.epoch === epoch) head = await history.renew(topic, head)
    unsaid.delete(topic)
  }

  function attempt (topic: string, epoch: string, tries: number): void {
    if (closed) return
    tell(topic, epoch).catch((error: unknown) => {
      if (!isAway(error)) onUnreadable(error)
      if (isAway(error) && tries < MAX_TRIES) timers.after(RETRY_MS, () => { attempt(topic, epoch, tries + 1) })
      else unsaid.delete(topic)
    })
  }

  return {
    say (topic, epoch) {
      if (unsaid.get(topic) === epoch || unsaid.size >= MAX_TOPICS) return
      unsaid.set(topic, epoch)
      attempt(topic, epoch, 1)
    },
    close () { closed = true }
  }
}
