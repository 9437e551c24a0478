import { Cluster } from 'ioredis'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { Bus, OnBusEvent } from './bus.js'
import { formatBusMessage, parseBusMessage, type InvalidMessage } from './bus-message.js'
import { openChannels, type RedisClient } from './channels.js'
import { createDropReporter, type DropReport } from './drop-reporter.js'
import { createGapTracker, type GapHandlers } from './gap.js'
import { createLinger } from './linger.js'
import { createPublisher } from './publisher.js'
import { channelsOf } from './topics.js'

export interface RedisBusOptions extends GapHandlers {
  /** For publishing; subscriptions get connections of their own, with the same options. Not closed by the bus. */
  readonly client: RedisClient
  /** Of every channel. */
  readonly prefix: string
  readonly onEvent: OnBusEvent
  /** Messages that were no events: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<InvalidMessage>) => void
  /** How long a subscription or a publication may take, in ms. */
  readonly timeoutMs?: number
  readonly now?: () => number
}

/** How long a topic that nobody listens to any more stays subscribed, in ms, and how many do. */
const LINGER_MS = 1000
const MAX_LINGERING = 20_000
/** Made once: most who leave before the confirmation wait for nothing, and a stack trace costs more than they do. */
const LEFT = new Error('the topic was left')

interface Waiter {
  resolve (): void
  reject (error: Error): void
}

/** A topic with a listener, or with one a moment ago. */
interface Listening {
  readonly topic: string
  readonly channels: readonly string[]
  count: number
  /** Channels that Redis has not confirmed, one bit each. */
  missing: number
  /** Null once all is confirmed: a process has very many topics. */
  waiters: Set<Waiter> | null
}

/**
 * The bus over Redis: `PUBLISH`/`SUBSCRIBE`, on a cluster `SPUBLISH`/`SSUBSCRIBE`. The order of a channel is kept. A
 * lost connection is opened and subscribed again by itself; what was published in between is gone (`onGap`).
 * Each `subscribe` is undone by one `unsubscribe`, also when it was rejected or has not settled yet.
 */
export function createRedisBus (options: RedisBusOptions): Bus {
  const { client, prefix, onEvent, timeoutMs = 1000, now = Date.now } = options
  const listening = new Map<string, Listening>()
  const byChannel = new Map<string, Listening>()
  const gap = createGapTracker(options, now)
  const drop = createDropReporter<InvalidMessage>((drops) => options.onInvalid?.(drops), now)
  const publishText = createPublisher(client, timeoutMs)
  const channels = openChannels(client, [client instanceof Cluster ? 'ssubscribe' : 'subscribe'], { onMessage, onConfirmed, onLost })
  const linger = createLinger({ drop: forget, forMs: LINGER_MS, max: MAX_LINGERING })
  let closed = false

  function onMessage (channel: string, payload: Buffer): void {
    const entry = byChannel.get(channel)
    if (entry === undefined || entry.count === 0) return
    const message = parseBusMessage(payload)
    if (typeof message === 'string') drop(message)
    else onEvent(entry.topic, message)
  }

  function onConfirmed (confirmed: readonly string[]): void {
    for (const channel of confirmed) {
      const entry = byChannel.get(channel)
      if (entry === undefined) continue
      entry.missing &= ~bitOf(entry, channel)
      if (entry.missing !== 0) continue
      gap.regain(entry.topic)
      for (const waiter of entry.waiters ?? []) waiter.resolve()
      entry.waiters = null
    }
  }

  function onLost (lost: readonly string[]): void {
    const topics: string[] = []
    for (const channel of lost) {
      const entry = byChannel.get(channel)
      if (entry === undefined) continue
      if (linger.take(entry.topic)) {
        forget(entry.topic)
        continue
      }
      // A topic that was never heard has nothing to miss: its listeners still wait.
      if (entry.missing === 0) topics.push(entry.topic)
      entry.missing |= bitOf(entry, channel)
    }
    gap.lose(topics)
  }

  function listen (topic: string): Listening {
    const names = channelsOf(topic, prefix)
    const entry: Listening = { topic, channels: names, count: 0, missing: (1 << names.length) - 1, waiters: null }
    listening.set(topic, entry)
    for (const channel of names) {
      byChannel.set(channel, entry)
      channels.want(channel)
    }
    return entry
  }

  function leave (entry: Listening): void {
    if (--entry.count > 0) return
    if (entry.missing === 0) linger.keep(entry.topic)
    else forget(entry.topic)
  }

  function forget (topic: string): void {
    const entry = listening.get(topic)
    if (entry === undefined) return
    listening.delete(topic)
    for (const waiter of entry.waiters ?? []) waiter.reject(LEFT)
    gap.regain(topic)
    for (const channel of entry.channels) {
      byChannel.delete(channel)
      channels.drop(channel)
    }
  }

  /** Waits until Redis confirms. A listener that gave up waiting still counts, and is heard late, until it unsubscribes. */
  async function waitForConfirmation (entry: Listening): Promise<void> {
    const waiters = entry.waiters ??= new Set()
    let forget = (): void => {}
    const confirmed = new Promise<void>((resolve, reject) => {
      const waiter: Waiter = { resolve, reject }
      waiters.add(waiter)
      forget = () => { waiters.delete(waiter) }
    })
    try {
      await waitAtMost(confirmed, timeoutMs, 'subscribing')
    } finally {
      forget()
    }
  }

  return {
    async subscribe (topic) {
      if (closed) throw new Error('the bus is closed')
      const entry = listening.get(topic) ?? listen(topic)
      if (entry.count++ === 0) linger.take(topic)
      if (entry.missing !== 0) await waitForConfirmation(entry)
    },
    unsubscribe (topic) {
      const entry = listening.get(topic)
      if (entry !== undefined && entry.count > 0) leave(entry)
    },
    async publish (topic, event) {
      if (closed) throw new Error('the bus is closed')
      const [channel = ''] = channelsOf(topic, prefix)
      await publishText(channel, formatBusMessage(event))
    },
    async close () {
      closed = true
      linger.close()
      channels.close()
      for (const { waiters } of listening.values()) {
        for (const waiter of waiters ?? []) waiter.reject(new Error('the bus is closed'))
      }
      listening.clear()
      byChannel.clear()
    }
  }
}

function bitOf (entry: Listening, channel: string): number {
  return 1 << entry.channels.indexOf(channel)
}
