import type { Session } from './session.js'
import { SessionGroup } from './session-group.js'
import { SessionList } from './session-list.js'
import { SweptMap } from '../collections/swept-map.js'

/** Periodic work visits one bucket at a time, so it spreads over its period instead of coming in one burst. */
export const BUCKETS = 16

/** Some of the connections. The one just met may be removed while they are visited. */
export interface Sessions extends Iterable<Session> { readonly size: number }

/** Every open connection of this process. */
export interface Registry {
  add (session: Session): void
  /** False when it was not there: a second close changes nothing. */
  remove (session: Session): boolean
  readonly size: number
  /** Live sockets that count against this lease owner, a user or an `anonymous` address: the fast path of the concurrency limit. */
  countOf (leaseOwner: string): number
  /** The same sockets. One may be removed while they are visited. */
  ofOwner (leaseOwner: string): Iterable<Session>
  all (): Iterable<Session>
  bucket (index: number): Sessions
}

const NONE: Sessions = new Set()

export function createRegistry (): Registry {
  const byOwner = new SweptMap(leaseOwner => new SessionGroup(leaseOwner))
  const buckets = Array.from({ length: BUCKETS }, () => new SessionList('bucketPlace'))
  let next = 0
  let size = 0
  return {
    add (session) {
      session.bucket = next++ % BUCKETS
      buckets[session.bucket]?.add(session)
      byOwner.open(session.lease.owner).add(session)
      size++
    },
    remove (session) {
      if (buckets[session.bucket]?.remove(session) !== true) return false
      const own = byOwner.get(session.lease.owner)
      own?.remove(session)
      if (own?.size === 0) byOwner.noteEmpty()
      size--
      return true
    },
    get size () { return size },
    countOf: leaseOwner => byOwner.get(leaseOwner)?.size ?? 0,
    ofOwner: leaseOwner => byOwner.get(leaseOwner)?.members() ?? NONE,
    all: function * () { for (const bucket of buckets) yield * bucket },
    bucket: index => buckets[index] ?? NONE
  }
}
