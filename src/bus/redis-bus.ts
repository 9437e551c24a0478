import { Cluster } from '#ioredis'
import { steadyNow } from '../clocks.js'
import type { RedisClient } from '../redis/client.js'
import { topicChannelPrefix } from '../redis/keys.js'
import type { Timers } from '../timers.js'
import { HEARD, type Bus, type BusEvent, type BusHandlers } from './bus.js'
import { formatBusMessage, parseBusMessage, type InvalidMessage } from './bus-message.js'
import type { ChannelHandlers, Channels } from './channels.js'
import { createDropReporter, type DropReport, type DropReporter } from './drop-reporter.js'
import { createGapTracker, type GapHandlers } from './gap.js'
import { createKeptTopics, type KeptTopics } from './kept-topics.js'
import { ListenedTopic } from './listened-topic.js'
import { openChannels } from './open-channels.js'
import { createProcessChannels, type Addressed } from './process-channels.js'
import { createPublisher, type PublishText } from './publisher.js'
import { channelsOf, parseTopic } from './topics.js'

export interface RedisBusOptions extends GapHandlers, BusHandlers {
  /** For publishing; subscriptions get connections of their own, with the same options. Not closed by the bus. */
  readonly client: RedisClient
  /** Of every channel. */
  readonly prefix: string
  /** The channel on which this process hears what users' own topics carry; absent or null: it subscribes to each of them. */
  readonly own?: string | null
  /** Messages that were no events: at most one report in 10 s. */
  readonly onInvalid?: (drops: DropReport<InvalidMessage>) => void
  /** The user of Redis has no right to some channels, or to a command that keeps their connection. */
  readonly onRefused?: (error: unknown) => void
  /** How long a subscription or a publication may take, in ms. */
  readonly timeoutMs?: number
  readonly now?: () => number
  /** The clock by which `completeSinceMs` counts. */
  readonly monotonicNow?: () => number
  readonly timers?: Timers
  /** By default beside the client. */
  readonly openChannels?: (handlers: ChannelHandlers) => Channels
}

/** How long a topic that nobody listens to any more stays subscribed, in ms, and how many do. */
const LINGER_MS = 1000
const MAX_LINGERING = 20_000
const TIMEOUT_MS = 1000
/** What the names of users' own topics begin with. */
const USER = 'user:'
/** Made once: most who leave before the confirmation wait for nothing, and a stack trace costs more than they do. */
const LEFT = new Error('the topic was left')
/** The same for those who need not wait: Redis has said no, and is asked again later. */
const REFUSED = new Error('the channel is denied')

/**
 * The bus over Redis: `PUBLISH`/`SUBSCRIBE`, on a cluster `SPUBLISH`/`SSUBSCRIBE`. The order of a channel is kept. A
 * lost connection is opened and subscribed again by itself; what was published in between is gone (`onGap`).
 * Each `subscribe` is undone by one `unsubscribe`, also when it was rejected or has not settled yet.
 */
export function createRedisBus (options: RedisBusOptions): Bus {
  return new RedisBus(options)
}

/** Its public parts are bound: they may be passed on one by one, as those of every `Bus`. */
class RedisBus implements Bus {
  private readonly prefix: string
  private readonly timeoutMs: number
  private readonly timers: Timers | undefined
  private readonly handlers: BusHandlers
  private readonly topics = new Map<string, ListenedTopic>()
  private readonly byChannel = new Map<string, ListenedTopic>()
  private readonly gap: ReturnType<typeof createGapTracker>
  private readonly drops: DropReporter<InvalidMessage>
  private readonly publishText: PublishText
  private readonly channels: Channels & Partial<Addressed>
  private readonly linger: KeptTopics
  private closed = false

  constructor (options: RedisBusOptions) {
    const { client, now = steadyNow, timers } = options
    this.prefix = options.prefix
    this.timeoutMs = options.timeoutMs ?? TIMEOUT_MS
    this.timers = timers
    this.handlers = options
    this.gap = createGapTracker(options, now)
    this.drops = createDropReporter<InvalidMessage>((drops) => options.onInvalid?.(drops), now, timers)
    this.publishText = createPublisher(client, this.timeoutMs)
    const open = options.openChannels ?? (handlers => openChannels(client, [client instanceof Cluster ? 'ssubscribe' : 'subscribe'], handlers))
    const handlers: ChannelHandlers = {
      onMessage: (channel, payload) => { this.hear(channel, payload) },
      onConfirmed: (channels) => { this.confirm(channels) },
      onRefused: (channels, error) => {
        options.onRefused?.(error)
        for (const channel of channels) this.byChannel.get(channel)?.rejectWaiters(REFUSED)
      },
      onDenied: (error) => { options.onRefused?.(error) },
      onLost: (channels, sinceMs) => { this.lose(channels, sinceMs) }
    }
    const { own = null, prefix, monotonicNow } = options
    const users = topicChannelPrefix(prefix, 'user')
    this.channels = own === null
      ? open(handlers)
      : createProcessChannels({
        own, carries: channel => channel.startsWith(users), handlers, open, ...(monotonicNow === undefined ? {} : { now: monotonicNow })
      })
    this.linger = createKeptTopics({
      drop: (topic) => { this.forget(topic) }, forMs: LINGER_MS, max: MAX_LINGERING, ...(timers === undefined ? {} : { timers })
    })
  }

  // Not async: see `HEARD`.
  readonly subscribe = (topic: string): Promise<void> => {
    if (this.closed) return Promise.reject(new Error('the bus is closed'))
    const known = this.topics.get(topic)
    if (known === undefined && parseTopic(topic) === null) return Promise.reject(new TypeError('not a topic'))
    const entry = known ?? this.listen(topic)
    if (entry.listeners++ === 0) this.linger.take(topic)
    return entry.isHeard ? HEARD : entry.waitUntilHeard(this.timeoutMs, this.timers?.after)
  }

  readonly unsubscribe = (topic: string): void => {
    const entry = this.topics.get(topic)
    if (entry === undefined || entry.listeners === 0 || --entry.listeners > 0) return
    if (entry.isHeard) this.linger.keep(topic)
    else this.forget(topic)
  }

  readonly publish = async (topic: string, event: BusEvent): Promise<void> => {
    if (this.closed) throw new Error('the bus is closed')
    const [channel = ''] = channelsOf(topic, this.prefix)
    await this.publishText(channel, formatBusMessage(event))
  }

  readonly completeSinceMs = (topic: string): number =>
    topic.startsWith(USER) ? this.channels.completeSinceMs?.() ?? Infinity : Infinity

  readonly hearItself = (topic: string): void => {
    for (const channel of this.topics.get(topic)?.channels ?? []) this.channels.subscribeItself?.(channel)
  }

  readonly close = async (): Promise<void> => {
    this.closed = true
    this.linger.close()
    this.channels.close()
    this.drops.close()
    for (const entry of this.topics.values()) entry.rejectWaiters(new Error('the bus is closed'))
    this.topics.clear()
    this.byChannel.clear()
  }

  private hear (channel: string, payload: Buffer): void {
    const entry = this.byChannel.get(channel)
    if (entry === undefined) return
    const { event, place } = parseBusMessage(payload)
    // What has a place is told also for the moment in which the topic lingers: who comes back must find no hole.
    if (place === null && entry.listeners === 0) return
    if (typeof event !== 'string') return this.handlers.onEvent(entry.name, event, place)
    // What is published to begin a new epoch holds no event, and is none that is missing.
    if (place === null || place.offset > 0) this.drops.note(event)
    if (place !== null) this.handlers.onBlank?.(entry.name, place)
  }

  private confirm (channels: readonly string[]): void {
    for (const channel of channels) {
      const entry = this.byChannel.get(channel)
      if (entry === undefined) continue
      const wasHeard = entry.isHeard
      entry.confirm(channel)
      if (!entry.isHeard) continue
      this.gap.regain(entry.name)
      if (!wasHeard) this.handlers.onHeard?.(entry.name)
    }
  }

  private lose (channels: readonly string[], sinceMs: number): void {
    const unheard: string[] = []
    for (const channel of channels) {
      const entry = this.byChannel.get(channel)
      if (entry === undefined) continue
      if (this.linger.take(entry.name)) {
        this.forget(entry.name)
        continue
      }
      // A topic that was never heard has nothing to miss: its listeners still wait.
      if (entry.isHeard) unheard.push(entry.name)
      entry.lose(channel)
    }
    this.gap.lose(unheard, sinceMs)
    if (unheard.length > 0) this.handlers.onUnheard?.(unheard)
  }

  private listen (topic: string): ListenedTopic {
    const entry = new ListenedTopic(topic, channelsOf(topic, this.prefix))
    this.topics.set(topic, entry)
    for (const channel of entry.channels) {
      this.byChannel.set(channel, entry)
      this.channels.want(channel)
    }
    return entry
  }

  private forget (topic: string): void {
    const entry = this.topics.get(topic)
    if (entry === undefined) return
    this.topics.delete(topic)
    entry.rejectWaiters(LEFT)
    this.gap.regain(topic)
    for (const channel of entry.channels) {
      this.byChannel.delete(channel)
      this.channels.drop(channel)
    }
    this.handlers.onLeft?.(topic)
  }
}
