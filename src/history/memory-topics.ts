/** What is remembered of one topic, as the text at its key in Redis: see lua/include/head.lua. */
export interface StoredHead {
  readonly epoch: string
  /** The replication id under which the epoch is in force. */
  readonly replicationId: string
  top: number
  topAtMs: number
  /** The first event kept, as far as the events are there. */
  first: number
  /** The first item of the events: an event, or the id of one that was trimmed. */
  oldest: number
  /** When that one was published, or an earlier time. */
  oldestAtMs: number
  bytes: number
  /** The offset with which the present events began; 0: there are none. */
  hash: number
  expiresAtMs: number
}

/** An event, or what is remembered of one that was trimmed. */
export interface StoredItem {
  readonly atMs: number
  readonly id: string | null
  /** Null: it was trimmed. */
  readonly payload: Buffer | null
}

/** The events of a topic, as a hash in Redis. */
export interface StoredHash {
  readonly items: Map<number, StoredItem>
  readonly ids: Map<string, { readonly offset: number, readonly atMs: number }>
  expiresAtMs: number
}

/**
 * All that a store in memory holds, as the keys of a Redis: heads by topic, events by topic, epoch and beginning. Plain data, so
 * that a simulator can take any of it away, copy it, or put an older copy in its place.
 */
export interface MemoryTopics {
  readonly heads: Map<string, StoredHead>
  readonly hashes: Map<string, StoredHash>
}

/** Makes a store that holds nothing. */
export function createMemoryTopics (): MemoryTopics {
  return { heads: new Map(), hashes: new Map() }
}

/** Where the events of a topic are. */
export function nameHash (topic: string, { epoch, hash }: StoredHead): string {
  return `${topic} ${epoch} ${hash}`
}

/** Reads what has not expired. */
export function readUnexpired<V extends { readonly expiresAtMs: number }> (
  values: ReadonlyMap<string, V>, name: string, nowMs: number
): V | undefined {
  const value = values.get(name)
  return value !== undefined && nowMs < value.expiresAtMs ? value : undefined
}

/** Drops what has expired. */
export function sweep ({ heads, hashes }: MemoryTopics, nowMs: number): void {
  for (const values of [heads, hashes]) {
    for (const [name, { expiresAtMs }] of values) if (nowMs >= expiresAtMs) values.delete(name)
  }
}
