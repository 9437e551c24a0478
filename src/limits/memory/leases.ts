import type { Lease } from '../limiter.js'
import { SmallMap } from '../../collections/one-or-several.js'
import { SweptMap } from '../../collections/swept-map.js'

/** The leases of this process's users. */
export interface MemoryLeases {
  /** Takes a lease unless the user has no free slot; taking one that is held renews it. */
  take (lease: Lease, now: number): boolean
  renew (lease: Lease, now: number): void
  release (lease: Lease): void
  /** How many of an owner have not lapsed. Changes nothing. */
  count (owner: string, now: number): number
  /** Leases that have not lapsed. */
  live (now: number): Generator<Lease>
  readonly users: number
}

interface Held {
  readonly lease: Lease
  readonly endsAt: number
}

/** What one user holds, by connection id: most hold one lease. */
class UserLeases extends SmallMap<string, Held> {
  protected override keyOf ({ lease }: Held): string { return lease.connectionId }

  dropLapsed (now: number): void {
    this.removeWhere(({ endsAt }) => endsAt <= now)
  }
}

/** How many users are checked for lapsed leases each time that a lease is taken. */
const CHECKED_PER_LEASE = 2

/** Slots per user, each held for `leaseMs` from when it was taken or renewed. Bounded by the number of open sockets. */
export function createMemoryLeases (slots: number, leaseMs: number): MemoryLeases {
  const byUser = new SweptMap(() => new UserLeases())
  let round: Iterator<UserLeases> = byUser.all()

  const put = (lease: Lease, now: number): void => {
    dropSomeLapsed(now)
    byUser.open(lease.owner).add({ lease, endsAt: now + leaseMs })
  }
  /** Goes round all users, a few at a time: a lease that is neither given back nor renewed must not stay for ever. */
  const dropSomeLapsed = (now: number): void => {
    for (let checked = 0; checked < CHECKED_PER_LEASE; checked++) {
      const next = round.next()
      if (next.done === true) {
        round = byUser.all()
        return
      }
      if (next.value.size === 0) continue
      next.value.dropLapsed(now)
      if (next.value.size === 0) byUser.noteEmpty()
    }
  }

  return {
    take (lease, now) {
      const held = byUser.get(lease.owner)
      if (held !== undefined) {
        held.dropLapsed(now)
        if (held.size >= slots && !held.has(lease.connectionId)) return false
      }
      put(lease, now)
      return true
    },
    renew: put,
    release ({ owner, connectionId }) {
      const held = byUser.get(owner)
      if (held?.remove(connectionId) === true && held.size === 0) byUser.noteEmpty()
    },
    count (owner, now) {
      const held = byUser.get(owner)
      return held === undefined ? 0 : [...held.members()].filter(({ endsAt }) => endsAt > now).length
    },
    * live (now) {
      for (const held of byUser.all()) {
        for (const { lease, endsAt } of held.members()) if (endsAt > now) yield lease
      }
    },
    get users () { return [...byUser.all()].filter(({ size }) => size > 0).length }
  }
}
