import { Cluster } from '#ioredis'
import type { RedisClient } from '../redis/client.js'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { ClusterChannels } from './cluster-channels.js'
import { SUBSCRIBER_OPTIONS } from './subscriber-options.js'
import { Subscriber } from './subscriber.js'

/** Opens channels beside `client`: on a cluster one connection per owning node, else a single one. */
export function openChannels (client: RedisClient, verbs: readonly SubscribeVerb[], handlers: ChannelHandlers): Channels {
  if (client instanceof Cluster) return new ClusterChannels(client, verbs, handlers)
  const subscriber = new Subscriber({
    redis: client.duplicate(SUBSCRIBER_OPTIONS),
    verbs,
    handlers,
    commands: () => client.status === 'ready' ? client : null,
    onMisplaced: () => { /* one node owns all */ }
  })
  const follow = (): void => { subscriber.followCommands() }
  client.on('ready', follow)
  return {
    want (channel) { subscriber.want(channel) },
    drop (channel) { subscriber.drop(channel) },
    close () {
      client.removeListener('ready', follow)
      subscriber.close()
    }
  }
}
