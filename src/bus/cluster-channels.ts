import hashSlot from 'cluster-key-slot'
import type { Cluster, Redis } from '#ioredis'
import type { ChannelHandlers, Channels, SubscribeVerb } from './channels.js'
import { SUBSCRIBER_OPTIONS } from './subscriber-options.js'
import { Subscriber } from './subscriber.js'

const LEAST_REFRESH_GAP_MS = 200
const POLL_MS = 5000

/** Where a wanted channel is subscribed: its slot, and the `host:port` of the owner; null while the owner is unknown. */
interface Place { readonly slot: number, node: string | null }

/** The `host:port` of each slot's master; undefined where nobody owns it. */
type Owners = ReadonlyArray<string | undefined>

const keyOf = ({ options }: Redis): string => `${options.host ?? ''}:${options.port ?? ''}`

const ownersIn = (cluster: Cluster): Owners => Array.from(cluster.slots, (nodes) => nodes?.[0])

/**
 * Keeps shard channels subscribed on the nodes that own their slots, and follows the slots: ioredis's own subscriber
 * group neither confirms a subscription that it repeats nor says when that failed.
 */
export class ClusterChannels implements Channels {
  private readonly places = new Map<string, Place>()
  private readonly subscribers = new Map<string, Subscriber>()
  private owners: Owners
  /** When they were read, in ms since the epoch: until then nobody else owned what they own. */
  private ownersReadAtMs = Date.now()
  private refreshing: NodeJS.Timeout | undefined
  private readonly polling: NodeJS.Timeout
  private readonly follow = (): void => { this.followSlots() }
  /** The commands have a new connection to a node. */
  private readonly followNode = (node: Redis): void => { this.subscribers.get(keyOf(node))?.followCommands() }

  constructor (
    private readonly cluster: Cluster,
    private readonly verbs: readonly SubscribeVerb[],
    private readonly handlers: ChannelHandlers
  ) {
    this.owners = ownersIn(cluster)
    cluster.on('refresh', this.follow)
    cluster.on('+node', this.followNode)
    this.polling = setInterval(() => { this.refresh() }, POLL_MS).unref()
  }

  want (channel: string): void {
    const place = this.places.get(channel) ?? { slot: hashSlot(channel), node: null }
    this.places.set(channel, place)
    this.settle(channel, place)
  }

  drop (channel: string): void {
    const node = this.places.get(channel)?.node
    this.places.delete(channel)
    if (node !== undefined && node !== null) this.subscribers.get(node)?.drop(channel)
  }

  close (): void {
    clearTimeout(this.refreshing)
    clearInterval(this.polling)
    this.cluster.removeListener('refresh', this.follow)
    this.cluster.removeListener('+node', this.followNode)
    for (const subscriber of this.subscribers.values()) subscriber.close()
    this.subscribers.clear()
    this.places.clear()
  }

  private nodeOf (key: string): Redis | null {
    return this.cluster.nodes('master').find((node) => keyOf(node) === key) ?? null
  }

  private subscriberOf (node: string): Subscriber | undefined {
    const known = this.subscribers.get(node)
    if (known !== undefined) return known
    const source = this.nodeOf(node)
    if (source === null) return undefined
    const subscriber = new Subscriber({
      redis: source.duplicate(SUBSCRIBER_OPTIONS),
      verbs: this.verbs,
      commands: () => this.nodeOf(node),
      onMisplaced: () => { this.refresh() },
      handlers: this.handlersOf(node)
    })
    this.subscribers.set(node, subscriber)
    return subscriber
  }

  /** A demoted master still hears its successor: only the present owner's copy counts. */
  private handlersOf (node: string): ChannelHandlers {
    const { places, handlers } = this
    const isHere = (channel: string): boolean => places.get(channel)?.node === node
    return {
      onMessage (channel, payload) { if (isHere(channel)) handlers.onMessage(channel, payload) },
      onConfirmed (channels) { handlers.onConfirmed(channels.filter(isHere)) },
      onRefused (channels, error) { handlers.onRefused(channels.filter(isHere), error) },
      onDenied (error) { handlers.onDenied(error) },
      onLost (channels, sinceMs) { handlers.onLost(channels.filter(isHere), sinceMs) }
    }
  }

  private settle (channel: string, place: Place): void {
    const owner = this.owners[place.slot]
    const subscriber = owner === undefined ? undefined : this.subscriberOf(owner)
    place.node = subscriber === undefined ? null : owner ?? null
    if (subscriber === undefined) this.refresh()
    else subscriber.want(channel)
  }

  /** Moves channels whose slot has another owner now. */
  private followSlots (): void {
    const now = ownersIn(this.cluster)
    const lost: string[] = []
    const sinceMs = this.ownersReadAtMs
    this.owners = now
    this.ownersReadAtMs = Date.now()
    for (const [channel, place] of this.places) {
      if (place.node !== null && place.node === now[place.slot]) continue
      if (place.node !== null) {
        this.subscribers.get(place.node)?.drop(channel)
        lost.push(channel)
      }
      this.settle(channel, place)
    }
    if (lost.length > 0) this.handlers.onLost(lost, sinceMs)
    this.closeUnneeded(new Set(now))
  }

  private closeUnneeded (owning: ReadonlySet<string | undefined>): void {
    for (const [node, subscriber] of this.subscribers) {
      if (owning.has(node)) continue
      subscriber.close()
      this.subscribers.delete(node)
    }
  }

  private refresh (): void {
    this.refreshing ??= setTimeout(() => {
      this.refreshing = undefined
      // What it finds comes by the `refresh` event; when no node answers, the cluster client connects anew and refreshes then.
      this.cluster.refreshSlotsCache(() => {})
    }, LEAST_REFRESH_GAP_MS)
  }
}
