import { SYSTEM_TIMERS, type Timers } from '../timers.js'

/** Topics without a listener, which stay subscribed for a while in case one comes back. */
export interface KeptTopics {
  /** Keeps a topic; it is dropped when its time is over or too many are kept. */
  keep (topic: string): void
  /** Somebody listens again; false when it is not kept. */
  take (topic: string): boolean
  /** Forgets all without dropping them. */
  close (): void
}

export interface KeptTopicsOptions {
  readonly drop: (topic: string) => void
  /** Least time that a topic is kept, in ms; at most twice that. */
  readonly forMs: number
  readonly max: number
  readonly timers?: Pick<Timers, 'after'>
}

/**
 * A user who reconnects, or whose connections are short, would cost a SUBSCRIBE and an UNSUBSCRIBE each time: the dearest
 * part of an upgrade after its signature. Two generations and one timer, however many topics.
 */
export function createKeptTopics ({ drop, forMs, max, timers = SYSTEM_TIMERS }: KeptTopicsOptions): KeptTopics {
  let young = new Set<string>()
  let old = new Set<string>()
  let cancel: (() => void) | null = null

  function age (): void {
    cancel = null
    for (const topic of old) drop(topic)
    old = young
    young = new Set()
    if (old.size > 0) arm()
  }
  const arm = (): void => { cancel ??= timers.after(forMs, age) }

  return {
    keep (topic) {
      if (young.size + old.size >= max) return drop(topic)
      young.add(topic)
      arm()
    },
    take: topic => young.delete(topic) || old.delete(topic),
    close () {
      cancel?.()
      young.clear()
      old.clear()
    }
  }
}
