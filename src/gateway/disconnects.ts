import { LRUCache } from 'lru-cache'

/** Remembers orders to disconnect for the upgrades that they may overtake. */
export interface Disconnects {
  note (userId: string): void
  /** Whether this user was disconnected at or after `sinceMs` (monotonic). */
  wasDisconnected (userId: string, sinceMs: number): boolean
}

const MAX_REMEMBERED = 10_000

/** Makes the memory; each order is kept for `keepMs`, which is how long an upgrade may take. */
export function createDisconnects (keepMs: number): Disconnects {
  const orderedAtMs = new LRUCache<string, number>({ max: MAX_REMEMBERED, ttl: keepMs })
  return {
    note (userId) { orderedAtMs.set(userId, performance.now()) },
    wasDisconnected: (userId, sinceMs) => (orderedAtMs.get(userId) ?? -Infinity) >= sinceMs
  }
}
