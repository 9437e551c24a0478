import { ReplyError, type Redis, type RedisOptions } from 'ioredis'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { hashSlot } from './hash-slot.js'

/** Channels of one command at most: a longer one would hold up Redis and this process. */
const CHANNELS_PER_COMMAND = 500
const RETRY_MS = 200
const REJOIN_MS = 1000
const HEARTBEAT_MS = 10_000
const MAX_RECONNECT_DELAY_MS = 2000

/** Options of a subscriber connection: it subscribes again by its own account, not by ioredis's, and waits for no queue. */
export const LINK_OPTIONS = {
  connectionName: 'portcullis-subscriber',
  keyPrefix: '',
  lazyConnect: true,
  readOnly: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  commandTimeout: 5000,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_DELAY_MS) * (0.5 + Math.random() / 2)
} as const satisfies RedisOptions

interface LinkOptions {
  /** A connection for this link alone, made with `LINK_OPTIONS`; it is closed with the link. */
  readonly redis: Redis
  readonly verbs: readonly SubscribeVerb[]
  readonly handlers: ChannelHandlers
  /** This node is gone or no longer owns all of its channels: the topology should be read again. */
  readonly onMisplaced: () => void
}

/** One command that subscribed some channels on the present connection. */
interface Join { confirmed: boolean }
/** Not sent on this connection. */
const UNSENT: Join = { confirmed: false }
/** Redis may hold the subscription or not: it must be sent again, and dropping it must be sent too. */
const DOUBTFUL: Join = { confirmed: false }

/**
 * Keeps channels subscribed over one connection. What is wanted is compared with what was sent at the end of each
 * tick; as Redis works through one connection in order, the last word of a channel is always the one that counts.
 */
export function createChannelLink ({ redis, verbs, handlers, onMisplaced }: LinkOptions): Channels {
  /** What is wanted, and what subscribed it. */
  const wanted = new Map<string, Join>()
  /** What changed in this tick, and what had subscribed it before. */
  const changed = new Map<string, Join>()
  let connection = 0
  let flushing: NodeJS.Immediate | undefined
  let retrying: NodeJS.Timeout | undefined
  let rejoining: NodeJS.Timeout | undefined

  function touch (channel: string): Join {
    const before = changed.get(channel) ?? wanted.get(channel) ?? UNSENT
    changed.set(channel, before)
    flushing ??= setImmediate(flush)
    return before
  }

  function flush (): void {
    flushing = undefined
    const [joining, leaving, standing]: [string[], string[], string[]] = [[], [], []]
    for (const [channel, before] of redis.status === 'ready' ? changed : []) {
      const join = wanted.get(channel)
      if (join === UNSENT || join === DOUBTFUL) joining.push(channel)
      else if (join?.confirmed === true) standing.push(channel)
      else if (join === undefined && before !== UNSENT) leaving.push(channel)
    }
    changed.clear()
    for (const channels of commandsOf(leaving, verbs)) leave(channels)
    for (const channels of commandsOf(joining, verbs)) join(channels)
    // Dropped and wanted again within a tick: nothing was sent, and whoever wants it now waits for a word.
    if (standing.length > 0) handlers.onConfirmed(standing)
  }

  function join (channels: readonly string[]): void {
    const sentOn = connection
    const command: Join = { confirmed: false }
    for (const channel of channels) wanted.set(channel, command)
    // A channel that was dropped, or lost with the connection, has no join or a later one: that one will speak for it.
    const current = (): string[] => channels.filter((channel) => wanted.get(channel) === command)
    Promise.all(verbs.map(async (verb) => await redis[verb](...channels))).then(() => {
      command.confirmed = true
      handlers.onConfirmed(current())
    }, (error: unknown) => {
      if (!(error instanceof ReplyError)) { reconnect(sentOn); return }
      for (const channel of current()) wanted.set(channel, DOUBTFUL)
      if (sentOn === connection) retry()
    })
  }

  function leave (channels: readonly string[]): void {
    const sentOn = connection
    Promise.all(verbs.map(async (verb) => await redis[verb === 'subscribe' ? 'unsubscribe' : 'sunsubscribe'](...channels)))
      // Refused means that the slot has moved, and with that the subscription ended.
      .catch((error: unknown) => { if (!(error instanceof ReplyError)) reconnect(sentOn) })
  }

  /** Whether Redis still holds a subscription is unknown: only a new connection starts clean. */
  function reconnect (sentOn: number): void {
    if (sentOn === connection && redis.status === 'ready') redis.disconnect(true)
  }

  function touchUnsettled (): void {
    for (const [channel, join] of wanted) if (join === UNSENT || join === DOUBTFUL) touch(channel)
  }

  function retry (): void {
    onMisplaced()
    retrying ??= setTimeout(() => {
      retrying = undefined
      touchUnsettled()
    }, RETRY_MS)
  }

  /**
   * Redis ended the subscriptions of a slot that went to another node, and ioredis does not say of which. Most often
   * the new topology takes them along; if the slot has come back meanwhile, only sending all again helps.
   */
  function rejoin (): void {
    onMisplaced()
    rejoining ??= setTimeout(() => {
      rejoining = undefined
      for (const [channel, join] of wanted) if (join.confirmed) wanted.set(channel, DOUBTFUL)
      touchUnsettled()
    }, REJOIN_MS)
  }

  redis.on('ready', touchUnsettled)
  redis.on('close', () => {
    connection++
    changed.clear()
    const lost = [...wanted].flatMap(([channel, join]) => join === UNSENT ? [] : [channel])
    for (const channel of lost) wanted.set(channel, UNSENT)
    if (lost.length > 0) handlers.onLost(lost)
    onMisplaced()
  })
  redis.on('moved', rejoin)
  redis.on('error', () => { /* the connection for commands reports outages; this one only comes back */ })
  redis.on('messageBuffer', (channel: Buffer, payload: Buffer) => { handlers.onMessage(channel.toString(), payload) })
  redis.on('smessageBuffer', (channel: Buffer, payload: Buffer) => { handlers.onMessage(channel.toString(), payload) })

  // A peer that vanished without a word leaves a connection that is silent for ever.
  const heartbeat = setInterval(() => {
    const sentOn = connection
    if (redis.status === 'ready') redis.ping().catch(() => { reconnect(sentOn) })
  }, HEARTBEAT_MS).unref()

  return {
    want (channel) {
      const before = touch(channel)
      if (!wanted.has(channel)) wanted.set(channel, before)
      // A failed attempt is followed by the next one: the connection's own retry strategy.
      if (redis.status === 'wait') redis.connect().catch(() => {})
    },
    drop (channel) {
      touch(channel)
      wanted.delete(channel)
    },
    close () {
      clearInterval(heartbeat)
      clearTimeout(retrying)
      clearTimeout(rejoining)
      clearImmediate(flushing)
      for (const name of ['ready', 'close', 'moved', 'messageBuffer', 'smessageBuffer']) redis.removeAllListeners(name)
      redis.disconnect()
    }
  }
}

/** Splits channels into commands. One SSUBSCRIBE takes only channels of one slot. */
function commandsOf (channels: readonly string[], verbs: readonly SubscribeVerb[]): string[][] {
  const groups = verbs.includes('ssubscribe') ? groupBySlot(channels) : [channels]
  return groups.flatMap((group) => {
    const starts = Array.from({ length: Math.ceil(group.length / CHANNELS_PER_COMMAND) }, (_, n) => n * CHANNELS_PER_COMMAND)
    return starts.map((start) => group.slice(start, start + CHANNELS_PER_COMMAND))
  })
}

function groupBySlot (channels: readonly string[]): string[][] {
  const groups = new Map<number, string[]>()
  for (const channel of channels) {
    const slot = hashSlot(channel)
    const group = groups.get(slot)
    if (group === undefined) groups.set(slot, [channel])
    else group.push(channel)
  }
  return [...groups.values()]
}
