import type { Identity } from '../tokens/identity.js'
import { namesOf, type TokenName } from '../tokens/token-name.js'
import type { Session } from './session.js'
import { NamedSessions } from './named-sessions.js'
import { SessionList } from './session-list.js'

/** Periodic work visits one bucket at a time, or some, so it spreads over its period instead of coming in one burst. */
export const BUCKETS = 64
/** The first connections of an owner are in one bucket, this many at most; thousands behind one address would make its visit a burst. */
const TOGETHER = 8

/** Some of the connections. The one just met may be removed while they are visited. */
export interface Sessions extends Iterable<Session> { readonly size: number }

/** Every open connection of this process. */
export interface Registry {
  add (session: Session): void
  /** False when it was not there: a second close changes nothing. */
  remove (session: Session): boolean
  /** Its token was replaced: it is found by the names of the new one, and no more by those of `before`. Who is not here stays unknown. */
  rename (session: Session, before: Identity): void
  readonly size: number
  /** Live sockets that count against this lease owner, a user or an `anonymous` address: the fast path of the concurrency limit. */
  countOf (leaseOwner: string): number
  /** The same sockets. One may be removed while they are visited. */
  ofOwner (leaseOwner: string): Iterable<Session>
  /** Those whose token has this name: an order to end them visits nobody else. One may be removed while they are visited. */
  ofToken (name: TokenName): Iterable<Session>
  /** Those of one address, by its key in the limits. One may be removed while they are visited. */
  ofAddress (addressKey: string): Iterable<Session>
  all (): Iterable<Session>
  bucket (index: number): Sessions
}

const NONE: Sessions = new Set()

/**
 * Makes an empty one. An owner's connections are in one bucket, so that one command renews their leases. `placeOf`: those whose owners have
 * the same place, a whole number from 0 on, are in one bucket too; absent: owners take turns.
 */
export function createRegistry (placeOf: ((leaseOwner: string) => number) | null = null): Registry {
  const byOwner = new NamedSessions()
  const byAddress = new NamedSessions()
  const byToken = createTokenNames(byOwner)
  const buckets = Array.from({ length: BUCKETS }, () => new SessionList('bucketPlace'))
  let next = 0
  let size = 0
  const findBucket = (owner: string): number => {
    const others = byOwner.countOf(owner)
    if (others >= TOGETHER || (others === 0 && placeOf === null)) return next++ % BUCKETS
    return placeOf === null ? byOwner.firstOf(owner)?.bucket ?? 0 : placeOf(owner) % BUCKETS
  }
  return {
    add (session) {
      session.bucket = findBucket(session.lease.owner)
      buckets[session.bucket]?.add(session)
      byOwner.add(session.lease.owner, session)
      byAddress.add(session.address.key, session)
      byToken.add(session, session.identity)
      size++
    },
    remove (session) {
      if (buckets[session.bucket]?.remove(session) !== true) return false
      byOwner.remove(session.lease.owner, session)
      byAddress.remove(session.address.key, session)
      byToken.remove(session, session.identity)
      size--
      return true
    },
    rename (session, before) {
      byToken.remove(session, before)
      if (session.bucketPlace >= 0) byToken.add(session, session.identity)
    },
    get size () { return size },
    countOf: leaseOwner => byOwner.countOf(leaseOwner),
    ofOwner: leaseOwner => byOwner.of(leaseOwner),
    ofToken: byToken.of,
    ofAddress: addressKey => byAddress.of(addressKey),
    all: function * () { for (const bucket of buckets) yield * bucket },
    bucket: index => buckets[index] ?? NONE
  }
}

/**
 * Connections by what names their tokens. With one issuer a `sub` is the lease's owner, and is found there; only with several, and
 * for those without a token, it has a place of its own.
 */
function createTokenNames (byOwner: NamedSessions) {
  const own: Readonly<Record<TokenName['kind'], NamedSessions>> = { jti: new NamedSessions(), sid: new NamedSessions(), sub: new NamedSessions() }
  const subjectBeside = (session: Session, subject: string | null): string | null => subject === session.lease.owner ? null : subject
  return {
    add (session: Session, identity: Identity): void {
      const { jti, sid, sub } = namesOf(identity)
      own.jti.add(jti, session)
      own.sid.add(sid, session)
      own.sub.add(subjectBeside(session, sub), session)
    },
    remove (session: Session, identity: Identity): void {
      const { jti, sid, sub } = namesOf(identity)
      own.jti.remove(jti, session)
      own.sid.remove(sid, session)
      own.sub.remove(subjectBeside(session, sub), session)
    },
    of: function * ({ kind, id }: TokenName): Iterable<Session> {
      yield * own[kind].of(id)
      if (kind === 'sub') yield * byOwner.of(id)
    }
  }
}
