import { channelsOf } from '../../src/bus/topics.js'
import { createMemoryHistory, type MemoryHistory } from '../../src/history/memory-history.js'
import { createMemoryTopics, type MemoryTopics, type StoredHash } from '../../src/history/memory-topics.js'
import { nodeChannel } from '../../src/redis/keys.js'
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

/** All that it holds. */
export interface SimData extends MemoryTopics {
  /** By a user's topic: which processes are to be told of what is published, and until when, in ms by its clock. */
  readonly notes: Map<string, Map<string, number>>
}

/** As announce.lua has it. */
const NOTED_MS = 90_000

/**
 * Redis: the memory history, which does what the scripts do, and channels. Its data are plain maps, so that they can be lost, put back
 * to an older copy, or evicted.
 */
export class SimRedis {
  readonly topics: SimData = { ...createMemoryTopics(), notes: new Map() }
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
  /** Users' topics where something else stands in the place of the notes. */
  readonly foreign = new Set<string>()
  private replicationId = 1
  private epochs = 0
  private readonly listeners = new Map<string, Set<Listener>>()

  constructor (private readonly world: World, truth: Truth) {
    this.history = createMemoryHistory({
      settings: world.knobs.history,
      topics: this.topics,
      now: this.now,
      replicationId: () => `replication-${this.replicationId}`,
      nameEpoch: () => {
        const epoch = (++this.epochs).toString(16).padStart(24, '0')
        truth.began(epoch)
        return epoch
      },
      onPublished: (topic, payload) => {
        truth.published(topic, payload)
        if (world.trace.isOn) world.trace.note(`redis publishes ${topic} ${payload.toString('latin1', 0, 90)}`)
        this.announce(topic, payload)
      }
    })
  }

  /** By its own clock, in whole ms since the epoch. */
  readonly now = (): number => BEGINNING_MS + Math.floor(this.world.nowMs) + this.clockOffsetMs

  get isDown (): boolean { return this.world.nowMs < this.downUntilMs }
  get refuses (): boolean { return this.world.nowMs < this.refusesUntilMs }
  get answersInMs (): number { return this.world.nowMs < this.lagsUntilMs ? this.lagMs : 0 }

  /** Sends a message to who listens now to the topic's own channel, as PUBLISH does. */
  publish (topic: string, payload: Buffer): void {
    const [channel = ''] = channelsOf(topic, '')
    this.send(channel, payload)
  }

  /** Notes that a process has connections of the user whose topic this is, if it is one's; false: that cannot be. */
  note (topic: string, process: string): boolean {
    if (!topic.startsWith('user:')) return true
    if (this.foreign.has(topic)) return false
    const noted = this.topics.notes.get(topic) ?? new Map<string, number>()
    noted.set(process, this.now() + NOTED_MS)
    this.topics.notes.set(topic, noted)
    return true
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

  copy (): SimData { return copyOf(this.topics) }

  /** Another server, with an older copy of the data, takes over. */
  failOver (older: SimData): void {
    this.replicationId++
    this.restore(older)
    for (const link of [...this.links]) link.cut()
  }

  /** An older copy is put in the place of the data, and nothing else tells of it. */
  restore (older: SimData): void {
    const { heads, hashes, notes } = copyOf(older)
    replace(this.topics.heads, heads)
    replace(this.topics.hashes, hashes)
    replace(this.topics.notes, notes)
  }

  evictHead (topic: string): void { this.topics.heads.delete(topic) }

  evictEvents (topic: string): void {
    for (const name of [...this.topics.hashes.keys()]) if (name.startsWith(`${topic} `)) this.topics.hashes.delete(name)
  }

  evictNotes (topic: string): void { this.topics.notes.delete(topic) }

  /** Something else is written in the place of a topic's notes. */
  spoilNotes (topic: string): void {
    this.topics.notes.delete(topic)
    this.foreign.add(topic)
  }

  flush (): void { for (const values of Object.values(this.topics) as Array<Map<string, unknown>>) values.clear() }

  /** As announce.lua does it: to the topic's own channel, and to the processes that have noted themselves. */
  private announce (topic: string, payload: Buffer): void {
    this.publish(topic, payload)
    const [channel = ''] = channelsOf(topic, '')
    for (const [process, untilMs] of this.topics.notes.get(topic) ?? []) {
      if (untilMs > this.now()) this.send(nodeChannel('', process), Buffer.concat([Buffer.from(`${channel}\n`), payload]))
      else this.topics.notes.get(topic)?.delete(process)
    }
  }

  private send (channel: string, payload: Buffer): void {
    for (const listener of [...this.listeners.get(channel) ?? []]) listener.carry(channel, payload)
  }
}

function copyOf ({ heads, hashes, notes }: SimData): SimData {
  const copyHash = ({ items, ids, expiresAtMs }: StoredHash): StoredHash => ({ items: new Map(items), ids: new Map(ids), expiresAtMs })
  return {
    heads: new Map([...heads].map(([topic, head]) => [topic, { ...head }])),
    hashes: new Map([...hashes].map(([name, hash]) => [name, copyHash(hash)])),
    notes: new Map([...notes].map(([topic, noted]) => [topic, new Map(noted)]))
  }
}

function replace<V> (values: Map<string, V>, by: ReadonlyMap<string, V>): void {
  values.clear()
  for (const [name, value] of by) values.set(name, value)
}
