import { ReplyError, type Redis } from 'ioredis'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { hashSlot } from './hash-slot.js'

/** Channels of one command at most: a longer one would hold up Redis and this process. */
const CHANNELS_PER_COMMAND = 500
const RETRY_MS = 200
const HEARTBEAT_MS = 10_000

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

/**
 * Keeps channels subscribed over one connection. What is wanted is compared with what was sent at the end of each
 * tick; as Redis works through one connection in order, the last word of a channel is always the one that counts.
 */
export function createChannelLink ({ redis, verbs, handlers, onMisplaced }: LinkOptions): Channels {
  const wanted = new Set<string>()
  const joins = new Map<string, Join>()
  const changed = new Set<string>()
  let connection = 0
  let flushing: NodeJS.Immediate | undefined
  let retrying: NodeJS.Timeout | undefined

  function touch (channel: string): void {
    changed.add(channel)
    flushing ??= setImmediate(flush)
  }

  function flush (): void {
    flushing = undefined
    const [joining, leaving, standing]: [string[], string[], string[]] = [[], [], []]
    for (const channel of redis.status === 'ready' ? changed : []) {
      const join = joins.get(channel)
      if (!wanted.has(channel)) {
        if (join !== undefined) leaving.push(channel)
      } else if (join === undefined) joining.push(channel)
      else if (join.confirmed) standing.push(channel)
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
    for (const channel of channels) joins.set(channel, command)
    // A channel that was left, or lost with the connection, has no join or a later one: that one will speak for it.
    const current = (): string[] => channels.filter((channel) => joins.get(channel) === command)
    Promise.all(verbs.map(async (verb) => await redis[verb](...channels))).then(() => {
      command.confirmed = true
      handlers.onConfirmed(current())
    }, (error: unknown) => {
      const failed = current()
      if (failed.length === 0) return
      if (!(error instanceof ReplyError)) { reconnect(sentOn); return }
      for (const channel of failed) joins.delete(channel)
      retry(failed)
    })
  }

  function leave (channels: readonly string[]): void {
    const sentOn = connection
    for (const channel of channels) joins.delete(channel)
    Promise.all(verbs.map(async (verb) => await redis[verb === 'subscribe' ? 'unsubscribe' : 'sunsubscribe'](...channels)))
      .catch(() => { reconnect(sentOn) })
  }

  /** Whether Redis still holds a subscription is unknown: only a new connection starts clean. */
  function reconnect (sentOn: number): void {
    if (sentOn === connection && redis.status === 'ready') redis.disconnect(true)
  }

  function retry (channels: Iterable<string>): void {
    for (const channel of channels) changed.add(channel)
    onMisplaced()
    retrying ??= setTimeout(() => {
      retrying = undefined
      flushing ??= setImmediate(flush)
    }, RETRY_MS)
  }

  /** A slot went to another node, and Redis ended subscriptions of its own accord without ioredis saying which: send all again. */
  function rejoin (): void {
    if (retrying !== undefined) return
    for (const [channel, join] of joins) if (join.confirmed) joins.delete(channel)
    retry(wanted)
  }

  redis.on('ready', () => {
    for (const channel of wanted) touch(channel)
  })
  redis.on('close', () => {
    connection++
    const lost = [...joins.keys()]
    joins.clear()
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
      wanted.add(channel)
      touch(channel)
      // A failed attempt is followed by the next one: the connection's own retry strategy.
      if (redis.status === 'wait') redis.connect().catch(() => {})
    },
    drop (channel) {
      wanted.delete(channel)
      touch(channel)
    },
    close () {
      clearInterval(heartbeat)
      clearTimeout(retrying)
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
