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
  /** Live sockets that count against this lease owner here: the fast path of the concurrency limit. */
  countOf (userId: string): number
  /** The handle for disconnecting a user. */
  ofUser (userId: string): Iterable<Session>
  all (): Iterable<Session>
  bucket (index: number): Sessions
}

const NONE: Sessions = new Set()

/** `userId` here is the lease's: for `anonymous` connections it tells addresses apart. */
export function createRegistry (): Registry {
  const byUser = new SweptMap(userId => new SessionGroup(userId))
  const buckets = Array.from({ length: BUCKETS }, () => new SessionList('bucketPlace'))
  let next = 0
  let size = 0
  return {
    add (session) {
      session.bucket = next++ % BUCKETS
      buckets[session.bucket]?.add(session)
      byUser.open(session.lease.userId).add(session)
      size++
    },
    remove (session) {
      if (buckets[session.bucket]?.remove(session) !== true) return false
      const own = byUser.get(session.lease.userId)
      own?.remove(session)
      if (own?.size === 0) byUser.noteEmpty()
      size--
      return true
    },
    get size () { return size },
    countOf: userId => byUser.get(userId)?.size ?? 0,
    ofUser: userId => byUser.get(userId)?.members() ?? NONE,
    all: function * () { for (const bucket of buckets) yield * bucket },
    bucket: index => buckets[index] ?? NONE
  }
}
