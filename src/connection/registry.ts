import type { Session } from './session.js'
import { SessionGroup } from './session-group.js'

/** Periodic work visits one bucket at a time, so it spreads over its period instead of coming in one burst. */
export const BUCKETS = 16

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
  bucket (index: number): ReadonlySet<Session>
}

const NONE: ReadonlySet<Session> = new Set()

/** `userId` here is the lease's: for `anonymous` connections it tells addresses apart. */
export function createRegistry (): Registry {
  const byId = new Map<string, Session>()
  const byUser = new Map<string, SessionGroup>()
  const buckets = Array.from({ length: BUCKETS }, () => new Set<Session>())
  let next = 0
  return {
    add (session) {
      session.bucket = next++ % BUCKETS
      byId.set(session.connectionId, session)
      buckets[session.bucket]?.add(session)
      const { userId } = session.lease
      const own = byUser.get(userId) ?? new SessionGroup(userId)
      own.add(session)
      byUser.set(userId, own)
    },
    remove (session) {
      if (!byId.delete(session.connectionId)) return false
      buckets[session.bucket]?.delete(session)
      const own = byUser.get(session.lease.userId)
      own?.remove(session)
      if (own?.size === 0) byUser.delete(session.lease.userId)
      return true
    },
    get size () { return byId.size },
    countOf: userId => byUser.get(userId)?.size ?? 0,
    ofUser: userId => byUser.get(userId)?.members() ?? NONE,
    all: () => byId.values(),
    bucket: index => buckets[index] ?? NONE
  }
}
