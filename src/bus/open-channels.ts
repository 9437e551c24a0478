import { Cluster } from '#ioredis'
import type { RedisClient } from '../redis/client.js'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { ClusterChannels } from './cluster-channels.js'
import { Subscriber, SUBSCRIBER_OPTIONS } from './subscriber.js'

/** Opens channels beside `client`: on a cluster one connection per owning node, else a single one. */
export function openChannels (client: RedisClient, verbs: readonly SubscribeVerb[], handlers: ChannelHandlers): Channels {
  if (client instanceof Cluster) return new ClusterChannels(client, verbs, handlers)
  return new Subscriber({ redis: client.duplicate(SUBSCRIBER_OPTIONS), verbs, handlers, onMisplaced: () => { /* one node owns all */ } })
}
