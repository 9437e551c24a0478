import type { Lease } from './limiter.js'

/** The leases of this process's users. */
export interface MemoryLeases {
  /** Takes a lease unless the user has no free slot; taking one that is held renews it. */
  take (lease: Lease, now: number): boolean
  renew (lease: Lease, now: number): void
  release (lease: Lease): void
  /** Leases that have not lapsed. */
  live (now: number): Generator<Lease>
  readonly users: number
}

interface Held {
  readonly lease: Lease
  readonly endsAt: number
}

/** How many users are looked at, at each lease, for leases that have all lapsed. */
const CHECKED_PER_LEASE = 2

/** Slots per user, each held for `leaseMs` from when it was taken or renewed. Bounded by what holds leases: open sockets. */
export function createMemoryLeases (slots: number, leaseMs: number): MemoryLeases {
  const byUser = new Map<string, Map<string, Held>>()
  let round = byUser.entries()

  const put = (lease: Lease, now: number): void => {
    dropSomeLapsed(now)
    let held = byUser.get(lease.userId)
    if (held === undefined) {
      held = new Map()
      byUser.set(lease.userId, held)
    }
    held.set(lease.connectionId, { lease, endsAt: now + leaseMs })
  }
  /** Goes round all users, a few at a time: a lease that nobody gives back or renews must not stay for ever. */
  const dropSomeLapsed = (now: number): void => {
    for (let checked = 0; checked < CHECKED_PER_LEASE; checked++) {
      const next = round.next()
      if (next.done === true) {
        round = byUser.entries()
        return
      }
      const [userId, held] = next.value
      dropLapsed(held, now)
      if (held.size === 0) byUser.delete(userId)
    }
  }

  return {
    take (lease, now) {
      const held = byUser.get(lease.userId)
      if (held !== undefined) {
        dropLapsed(held, now)
        if (held.size >= slots && !held.has(lease.connectionId)) return false
      }
      put(lease, now)
      return true
    },
    renew: put,
    release ({ userId, connectionId }) {
      const held = byUser.get(userId)
      if (held?.delete(connectionId) === true && held.size === 0) byUser.delete(userId)
    },
    * live (now) {
      for (const held of byUser.values()) {
        for (const { lease, endsAt } of held.values()) if (endsAt > now) yield lease
      }
    },
    get users () { return byUser.size }
  }
}

function dropLapsed (held: Map<string, Held>, now: number): void {
  for (const [connectionId, { endsAt }] of held) {
    if (endsAt <= now) held.delete(connectionId)
  }
}
