import type { Cluster } from 'ioredis'
import { createChannelLink, LINK_OPTIONS } from './channel-link.js'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { hashSlot } from './hash-slot.js'

const LEAST_REFRESH_GAP_MS = 200
const POLL_MS = 5000

/** Where a wanted channel is subscribed: its slot, and the `host:port` of the owner; null while the owner is unknown. */
interface Place { readonly slot: number, node: string | null }

/**
 * Keeps shard channels subscribed on the nodes that own their slots, and follows the slots: ioredis's own subscriber
 * group neither confirms a subscription that it repeats nor says when that failed.
 */
export function createClusterChannels (cluster: Cluster, verbs: readonly SubscribeVerb[], handlers: ChannelHandlers): Channels {
  const places = new Map<string, Place>()
  const links = new Map<string, Channels>()
  let owners: readonly (string | undefined)[] = []
  let refreshing: NodeJS.Timeout | undefined

  function linkTo (node: string): Channels | undefined {
    const known = links.get(node)
    if (known !== undefined) return known
    const source = cluster.nodes('master').find(({ options }) => `${options.host ?? ''}:${options.port ?? ''}` === node)
    if (source === undefined) return undefined
    const link = createChannelLink({
      redis: source.duplicate(LINK_OPTIONS),
      verbs,
      onMisplaced: refresh,
      handlers: {
        ...handlers,
        // A demoted master still hears its successor: only the present owner's copy counts.
        onMessage: (channel, payload) => { if (places.get(channel)?.node === node) handlers.onMessage(channel, payload) },
        onConfirmed: (channels) => { handlers.onConfirmed(channels.filter((channel) => places.get(channel)?.node === node)) },
        onLost: (channels) => { handlers.onLost(channels.filter((channel) => places.get(channel)?.node === node)) }
      }
    })
    links.set(node, link)
    return link
  }

  function settle (channel: string, place: Place): void {
    const owner = owners[place.slot]
    const link = owner === undefined ? undefined : linkTo(owner)
    place.node = link === undefined ? null : owner ?? null
    if (link === undefined) refresh()
    else link.want(channel)
  }

  /** Moves channels whose slot has another owner now. */
  function follow (): void {
    const now = Array.from(cluster.slots, (nodes) => nodes?.[0])
    const lost: string[] = []
    owners = now
    for (const [channel, place] of places) {
      if (place.node !== null && place.node === now[place.slot]) continue
      if (place.node !== null) {
        links.get(place.node)?.drop(channel)
        lost.push(channel)
      }
      settle(channel, place)
    }
    if (lost.length > 0) handlers.onLost(lost)
    const owning = new Set(now)
    for (const [node, link] of links) {
      if (owning.has(node)) continue
      link.close()
      links.delete(node)
    }
  }

  function refresh (): void {
    refreshing ??= setTimeout(() => {
      refreshing = undefined
      // What it finds comes by the `refresh` event; when no node answers, the cluster client connects anew and refreshes then.
      cluster.refreshSlotsCache(() => {})
    }, LEAST_REFRESH_GAP_MS)
  }

  owners = Array.from(cluster.slots, (nodes) => nodes?.[0])
  cluster.on('refresh', follow)
  const polling = setInterval(refresh, POLL_MS).unref()

  return {
    want (channel) {
      const place = places.get(channel) ?? { slot: hashSlot(channel), node: null }
      places.set(channel, place)
      settle(channel, place)
    },
    drop (channel) {
      const node = places.get(channel)?.node
      places.delete(channel)
      if (node !== undefined && node !== null) links.get(node)?.drop(channel)
    },
    close () {
      clearTimeout(refreshing)
      clearInterval(polling)
      cluster.removeListener('refresh', follow)
      for (const link of links.values()) link.close()
      links.clear()
      places.clear()
    }
  }
}
