import { channelsOf } from '../../src/bus/topics.js'
import { createMemoryHistory, type MemoryHistory } from '../../src/history/memory-history.js'
import { createMemoryTopics, type MemoryTopics, type StoredHash } from '../../src/history/memory-topics.js'
import type { Truth } from './ledger/truth.js'
import { BEGINNING_MS, type World } from './world.js'

/** A connection on which channels are subscribed, as the server sees it. */
export interface Listener {
  /** The server has sent a message. */
  carry (channel: string, payload: Buffer): void
}

/** A connection to the server, of whichever kind. */
export interface ServerLink {
  /** The server, or the way to it, has ended it. */
  cut (): void
}

/**
 * Redis: the memory history, which does what the scripts do, and channels. Its data are plain maps, so that they can be lost, put back
 * to an older copy, or evicted.
 */
export class SimRedis {
  readonly topics = createMemoryTopics()
  readonly history: MemoryHistory
  readonly links = new Set<ServerLink>()
  /** Nobody gets an answer before this. */
  downUntilMs = 0
  /** Writes are refused before this, and all scripts write. */
  refusesUntilMs = 0
  /** What it takes to answer, in ms. */
  lagMs = 0
  lagsUntilMs = 0
  clockOffsetMs = 0
  private replicationId = 1
  private epochs = 0
  private readonly listeners = new Map<string, Set<Listener>>()

  constructor (private readonly world: World, truth: Truth) {
    this.history = createMemoryHistory({
      settings: world.knobs.history,
      topics: this.topics,
      now: () => BEGINNING_MS + Math.floor(world.nowMs) + this.clockOffsetMs,
      replicationId: () => `replication-${this.replicationId}`,
      nameEpoch: () => {
        const epoch = (++this.epochs).toString(16).padStart(24, '0')
        truth.began(epoch)
        return epoch
      },
      onPublished: (topic, payload) => {
        truth.published(topic, payload)
        if (world.trace.isOn) world.trace.note(`redis publishes ${topic} ${payload.toString('latin1', 0, 90)}`)
        this.publish(topic, payload)
      }
    })
  }

  get isDown (): boolean { return this.world.nowMs < this.downUntilMs }
  get refuses (): boolean { return this.world.nowMs < this.refusesUntilMs }
  get answersInMs (): number { return this.world.nowMs < this.lagsUntilMs ? this.lagMs : 0 }

  /** Sends a message to who listens now. */
  publish (topic: string, payload: Buffer): void {
    const [channel = ''] = channelsOf(topic, '')
    for (const listener of [...this.listeners.get(channel) ?? []]) listener.carry(channel, payload)
  }

  subscribe (channel: string, listener: Listener): void {
    const listeners = this.listeners.get(channel) ?? new Set()
    this.listeners.set(channel, listeners)
    listeners.add(listener)
  }

  unsubscribe (channel: string, listener: Listener): void {
    const listeners = this.listeners.get(channel)
    listeners?.delete(listener)
    if (listeners?.size === 0) this.listeners.delete(channel)
  }

  /** A connection is gone. */
  forget (listener: Listener): void {
    for (const channel of [...this.listeners.keys()]) this.unsubscribe(channel, listener)
  }

  /** What is subscribed by anybody. */
  get channels (): readonly string[] { return [...this.listeners.keys()] }

  copy (): MemoryTopics { return copyOf(this.topics) }

  /** Another server, with an older copy of the data, takes over. */
  failOver (older: MemoryTopics): void {
    this.replicationId++
    this.restore(older)
    for (const link of [...this.links]) link.cut()
  }

  /** An older copy is put in the place of the data, and nothing else tells of it. */
  restore (older: MemoryTopics): void {
    const { heads, hashes } = copyOf(older)
    replace(this.topics.heads, heads)
    replace(this.topics.hashes, hashes)
  }

  evictHead (topic: string): void { this.topics.heads.delete(topic) }

  evictEvents (topic: string): void {
    for (const name of [...this.topics.hashes.keys()]) if (name.startsWith(`${topic} `)) this.topics.hashes.delete(name)
  }

  flush (): void {
    this.topics.heads.clear()
    this.topics.hashes.clear()
  }
}

function copyOf ({ heads, hashes }: MemoryTopics): MemoryTopics {
  const copyHash = ({ items, ids, expiresAtMs }: StoredHash): StoredHash => ({ items: new Map(items), ids: new Map(ids), expiresAtMs })
  return {
    heads: new Map([...heads].map(([topic, head]) => [topic, { ...head }])),
    hashes: new Map([...hashes].map(([name, hash]) => [name, copyHash(hash)]))
  }
}

function replace<V> (values: Map<string, V>, by: ReadonlyMap<string, V>): void {
  values.clear()
  for (const [name, value] of by) values.set(name, value)
}
