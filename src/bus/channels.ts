import { Cluster, type Redis } from 'ioredis'
import { createChannelLink, LINK_OPTIONS } from './channel-link.js'
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

/** Opens channels beside `client`: on a cluster one connection per owning node, else a single one. */
export function openChannels (client: RedisClient, verbs: readonly SubscribeVerb[], handlers: ChannelHandlers): Channels {
  if (client instanceof Cluster) return createClusterChannels(client, verbs, handlers)
  return createChannelLink({ redis: client.duplicate(LINK_OPTIONS), verbs, handlers, onMisplaced: () => { /* one node owns all */ } })
}
