import { randomBytes } from 'node:crypto'
import { parseTopic } from '../bus/topics.js'
import { checkPublication, formatPayload, formatRenewal } from './event-payload.js'
import { findFirst, isBare } from './find-first.js'
import {
  SLICE_BYTES, SLICE_EVENTS, type Head, type HeadAnswer, type HeadQuestion, type History, type HistorySettings, type KeptEvent,
  type Publication, type Published, type Range, type Slice
} from './history.js'
import { createMemoryTopics, nameHash, readUnexpired, sweep, type MemoryTopics, type StoredHash, type StoredHead } from './memory-topics.js'
import { planTrimming, trimItems, type Newcomer, type Removal } from './trim-items.js'

export interface MemoryHistoryOptions {
  readonly settings: HistorySettings
  /** Called with each message that is published, within `publish` and `renew`: who listens must hear it later than that. */
  readonly onPublished: (topic: string, payload: Buffer) => void
  /** What is remembered; by default nothing yet. */
  readonly topics?: MemoryTopics
  /** The store's clock, in whole ms since the epoch. It may be set. */
  readonly now?: () => number
  /** As long as it stays the same, nothing was lost. */
  readonly replicationId?: () => string
  /** Names a new epoch: 1 to 47 of `A-Za-z0-9_-`, never one that was given before. */
  readonly nameEpoch?: () => string
}

/** A sweep costs a look at all that is held: it is due after as many operations, and these. */
const LEAST_SWEEP_GAP = 1000

/**
 * The history of a single process without Redis. It does what the scripts in lua/ do, step by step, so that a simulator has it in
 * Redis's place.
 */
export function createMemoryHistory (options: MemoryHistoryOptions): MemoryHistory {
  return new MemoryStore(options)
}

/** Of a store that need not be waited for. */
export interface MemoryHistory extends History {
  /** As `readHeads` for one topic; throws where that rejects. */
  readHead (question: HeadQuestion): HeadAnswer
}

/** Its public parts are bound: they may be passed on one by one. */
class MemoryStore implements MemoryHistory {
  private readonly settings: HistorySettings
  private readonly onPublished: MemoryHistoryOptions['onPublished']
  private readonly topics: MemoryTopics
  private readonly now: () => number
  private readonly replicationId: () => string
  private readonly nameEpoch: () => string
  private operations = 0
  private closed = false

  constructor (options: MemoryHistoryOptions) {
    this.settings = options.settings
    this.onPublished = options.onPublished
    this.topics = options.topics ?? createMemoryTopics()
    this.now = options.now ?? Date.now
    this.replicationId = options.replicationId ?? (() => '')
    this.nameEpoch = options.nameEpoch ?? (() => randomBytes(12).toString('base64url'))
  }

  readonly publish = async (publications: readonly Publication[]): Promise<ReadonlyArray<PromiseSettledResult<Published>>> =>
    await Promise.allSettled(publications.map(async publication => this.publishOne(publication)))

  readonly readHeads = async (questions: readonly HeadQuestion[]): Promise<ReadonlyArray<PromiseSettledResult<HeadAnswer>>> =>
    await Promise.allSettled(questions.map(async question => this.readHead(question)))

  readonly readEvents = async (topic: string, range: Range): Promise<Slice> => {
    const [head, nowMs] = this.readTouched(topic)
    const events = range.epoch === head.epoch && range.to <= head.top ? this.readNewest(topic, head, range, nowMs) : []
    return { head: toHead(head), events }
  }

  readonly renew = async (topic: string, seen: Head): Promise<Head> => {
    const nowMs = this.begin(topic)
    const [found, isNew] = this.openHead(topic, nowMs)
    const isSeen = !isNew && found.epoch === seen.epoch && found.top === seen.top && found.topAtMs === seen.topAtMs
    const head = isSeen ? this.beginEpoch(topic, found) : found
    this.write(topic, head, nowMs)
    if (isNew || isSeen) this.onPublished(topic, formatRenewal(head.epoch, nowMs))
    return toHead(head)
  }

  readonly close = (): void => {
    this.closed = true
  }

  private publishOne (publication: Publication): Published {
    checkPublication(publication)
    const { topic, id } = publication
    const nowMs = this.begin(topic)
    const [head] = this.openHead(topic, nowMs)
    const published = this.findPublished(topic, head, id, nowMs)
    if (published !== null) {
      this.write(topic, head, nowMs)
      return { epoch: head.epoch, offset: published, isDuplicate: true }
    }
    const offset = head.top + 1
    const payload = formatPayload({ epoch: head.epoch, offset }, nowMs, publication)
    const kept = this.mostOf(topic) > 0 && payload.length <= this.settings.maxBytes
    const removals = this.makeRoom(topic, head, { bytes: payload.length, kept, atMs: nowMs })
    if (kept || id !== null) this.keep(topic, head, { payload: kept ? payload : null, id, atMs: nowMs })
    // Also for one that leaves nothing: the head says already what went for it.
    this.trimAndProlong(topic, head, removals, nowMs)
    if (!kept) head.first = offset + 1
    if (!kept && id === null && head.oldest === offset) head.oldest = offset + 1
    if (kept) head.bytes += payload.length
    head.top = offset
    head.topAtMs = nowMs
    this.write(topic, head, nowMs)
    this.onPublished(topic, payload)
    return { epoch: head.epoch, offset, isDuplicate: false }
  }

  /** The offset that the id got within the time for which ids count. */
  private findPublished (topic: string, head: StoredHead, id: string | null, nowMs: number): number | null {
    if (id === null || isBare(head, nowMs, this.settings.keepMs)) return null
    const found = this.readHash(topic, head, nowMs)?.ids.get(id)
    return found !== undefined && Math.abs(Math.max(nowMs, head.topAtMs) - found.atMs) < this.settings.keepMs ? found.offset : null
  }

  /** Plans what is to go for a newcomer. Where nothing is there, or it is lost, the head says so afterwards. */
  private makeRoom (topic: string, head: StoredHead, newcomer: Newcomer): readonly Removal[] {
    const bounds = { most: this.mostOf(topic), maxBytes: this.settings.maxBytes, keepMs: this.settings.keepMs }
    if (!isBare(head, newcomer.atMs, bounds.keepMs)) {
      const removals = planTrimming(head, this.readHash(topic, head, newcomer.atMs), newcomer, bounds)
      if (removals !== null) return removals
    }
    if (head.hash > 0) this.topics.hashes.delete(nameHash(topic, head))
    Object.assign(head, { hash: 0, oldest: head.top + 1, first: head.top + 1, bytes: 0 })
    return []
  }

  /** Puts an event, or its id alone, behind those that are kept. */
  private keep (
    topic: string, head: StoredHead,
    item: { readonly payload: Buffer | null, readonly id: string | null, readonly atMs: number }
  ): void {
    const offset = head.top + 1
    const { payload, id, atMs } = item
    let hash = head.hash > 0 ? this.readHash(topic, head, atMs) : undefined
    if (hash === undefined) {
      const first = payload === null ? offset + 1 : offset
      Object.assign(head, { hash: offset, oldest: offset, oldestAtMs: atMs, bytes: 0, first })
      hash = { items: new Map(), ids: new Map(), expiresAtMs: Infinity }
      this.topics.hashes.set(nameHash(topic, head), hash)
    }
    hash.items.set(offset, item)
    if (id !== null) hash.ids.set(id, { offset, atMs })
    if (head.oldest > head.top) head.oldestAtMs = atMs
  }

  /** Any publication prolongs what is kept: after a clock was set back, ids may be newer than the last event kept. */
  private trimAndProlong (topic: string, head: StoredHead, removals: readonly Removal[], nowMs: number): void {
    const hash = head.hash > 0 ? this.readHash(topic, head, nowMs) : undefined
    if (hash === undefined) return
    trimItems(hash, removals)
    hash.expiresAtMs = nowMs + this.settings.keepMs
  }

  readonly readHead = ({ topic, since, touch }: HeadQuestion): HeadAnswer => {
    const nowMs = this.begin(topic)
    const [head, isNew] = this.openHead(topic, nowMs)
    if (isNew || touch) this.write(topic, head, nowMs)
    return { ...toHead(head), isKept: since !== null && since.epoch === head.epoch && this.isKept(topic, head, since.offset, nowMs) }
  }

  private isKept (topic: string, head: StoredHead, offset: number, nowMs: number): boolean {
    return offset === head.top || (offset < head.top && offset + 1 >= this.firstOf(topic, head, nowMs))
  }

  private readNewest (topic: string, head: StoredHead, { from, to }: Range, nowMs: number): KeptEvent[] {
    const items = this.readHash(topic, head, nowMs)?.items
    const events: KeptEvent[] = []
    let bytes = 0
    const least = Math.max(from, this.firstOf(topic, head, nowMs), to - SLICE_EVENTS + 1)
    for (let offset = to; offset >= least; offset--) {
      const payload = items?.get(offset)?.payload ?? null
      if (payload === null || (events.length > 0 && bytes + payload.length > SLICE_BYTES)) break
      bytes += payload.length
      events.unshift({ offset, payload })
    }
    return events
  }

  private firstOf (topic: string, head: StoredHead, nowMs: number): number {
    return findFirst(head, this.readHash(topic, head, nowMs), { most: this.mostOf(topic), keepMs: this.settings.keepMs, nowMs })
  }

  private mostOf (topic: string): number {
    return this.settings.events.get(parseTopic(topic)?.kind ?? '') ?? 0
  }

  private readHash (topic: string, head: StoredHead, nowMs: number): StoredHash | undefined {
    return readUnexpired(this.topics.hashes, nameHash(topic, head), nowMs)
  }

  /** Begins an operation on a topic; gives the time at which it is done. */
  private begin (topic: string): number {
    if (this.closed) throw new Error('the history is closed')
    if (parseTopic(topic) === null) throw new TypeError('not a topic')
    const nowMs = this.now()
    if (++this.operations > this.topics.heads.size + this.topics.hashes.size + LEAST_SWEEP_GAP) {
      this.operations = 0
      sweep(this.topics, nowMs)
    }
    return nowMs
  }

  /** The head in force; whether it is that of a new epoch, which is not written yet. */
  private openHead (topic: string, nowMs: number): readonly [StoredHead, isNew: boolean] {
    const head = readUnexpired(this.topics.heads, topic, nowMs)
    return head?.replicationId === this.replicationId() ? [head, false] : [this.beginEpoch(topic, head), true]
  }

  private beginEpoch (topic: string, before: StoredHead | undefined): StoredHead {
    if (before !== undefined) this.topics.hashes.delete(nameHash(topic, before))
    return {
      epoch: this.nameEpoch(),
      replicationId: this.replicationId(),
      top: 0,
      topAtMs: 0,
      first: 1,
      oldest: 1,
      oldestAtMs: 0,
      bytes: 0,
      hash: 0,
      expiresAtMs: 0
    }
  }

  private readTouched (topic: string): readonly [StoredHead, nowMs: number] {
    const nowMs = this.begin(topic)
    const [head] = this.openHead(topic, nowMs)
    this.write(topic, head, nowMs)
    return [head, nowMs]
  }

  private write (topic: string, head: StoredHead, nowMs: number): void {
    head.expiresAtMs = nowMs + this.settings.metaMs
    this.topics.heads.set(topic, head)
  }
}

function toHead ({ epoch, top, topAtMs }: StoredHead): Head {
  return { epoch, top, topAtMs }
}
