import type { Lease } from '../limiter.js'
import { SweptMap } from '../../collections/swept-map.js'

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

/** The leases of one user. Most users hold one, and a Map costs more than all else here, so only a second lease makes it. */
class UserLeases {
  private only: Held | null = null
  private several: Map<string, Held> | null = null

  get size (): number { return this.several?.size ?? (this.only === null ? 0 : 1) }

  has (connectionId: string): boolean {
    return this.several?.has(connectionId) ?? this.only?.lease.connectionId === connectionId
  }

  put (held: Held): void {
    const { connectionId } = held.lease
    if (this.several === null && (this.only === null || this.has(connectionId))) {
      this.only = held
      return
    }
    this.several ??= new Map(this.only === null ? [] : [[this.only.lease.connectionId, this.only]])
    this.only = null
    this.several.set(connectionId, held)
  }

  /** False when it is not held. */
  remove (connectionId: string): boolean {
    if (this.several !== null) return this.several.delete(connectionId)
    if (!this.has(connectionId)) return false
    this.only = null
    return true
  }

  dropLapsed (now: number): void {
    if (this.only !== null && this.only.endsAt <= now) this.only = null
    if (this.several === null) return
    for (const [connectionId, { endsAt }] of this.several) {
      if (endsAt <= now) this.several.delete(connectionId)
    }
  }

  all (): Iterable<Held> { return this.several?.values() ?? (this.only === null ? [] : [this.only]) }
}

/** How many users are checked for lapsed leases each time that a lease is taken. */
const CHECKED_PER_LEASE = 2

/** Slots per user, each held for `leaseMs` from when it was taken or renewed. Bounded by the number of open sockets. */
export function createMemoryLeases (slots: number, leaseMs: number): MemoryLeases {
  const byUser = new SweptMap(() => new UserLeases())
  let round: Iterator<UserLeases> = byUser.all()

  const put = (lease: Lease, now: number): void => {
    dropSomeLapsed(now)
    byUser.open(lease.userId).put({ lease, endsAt: now + leaseMs })
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
      const held = byUser.get(lease.userId)
      if (held !== undefined) {
        held.dropLapsed(now)
        if (held.size >= slots && !held.has(lease.connectionId)) return false
      }
      put(lease, now)
      return true
    },
    renew: put,
    release ({ userId, connectionId }) {
      const held = byUser.get(userId)
      if (held?.remove(connectionId) === true && held.size === 0) byUser.noteEmpty()
    },
    * live (now) {
      for (const held of byUser.all()) {
        for (const { lease, endsAt } of held.all()) if (endsAt > now) yield lease
      }
    },
    get users () { return [...byUser.all()].filter(({ size }) => size > 0).length }
  }
}
