import { Cluster, type Redis, type RedisOptions } from 'ioredis'
import { createChannelLink } from './channel-link.js'
import { createClusterChannels } from './cluster-channels.js'

/** A single Redis or a Redis Cluster: what `connectRedis` gives for commands. */
export type RedisClient = Redis | Cluster

/** Classic channels reach every node; shard channels live on the node that owns their slot. */
export type SubscribeVerb = 'subscribe' | 'ssubscribe'

/** Keeps a set of Redis channels subscribed over connections of its own, whatever happens to them. */
export interface Channels {
  /** Subscribes a channel; `onConfirmed` tells when Redis has confirmed. Wanting twice is wanting once. */
  want (channel: string): void
  drop (channel: string): void
  close (): void
}

export interface ChannelHandlers {
  /** A message, in the order of its channel. Must not throw. */
  onMessage (channel: string, payload: Buffer): void
  /** From now on every message of these channels arrives. */
  onConfirmed (channels: readonly string[]): void
  /** Messages of these channels may be missed until they are confirmed again, which happens by itself. */
  onLost (channels: readonly string[]): void
}

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

/** Opens channels beside `client`: on a cluster one connection per owning node, else a single one. */
export function openChannels (client: RedisClient, verbs: readonly SubscribeVerb[], handlers: ChannelHandlers): Channels {
  if (client instanceof Cluster) return createClusterChannels(client, verbs, handlers)
  return createChannelLink({ redis: client.duplicate(LINK_OPTIONS), verbs, handlers, onMisplaced: () => { /* one node owns all */ } })
}
