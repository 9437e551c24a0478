import { endSession } from '../connection/send-end-close.js'
import type { Registry } from '../connection/registry.js'
import type { Session } from '../connection/session.js'
import { refuse, type Refusal } from '../refusals.js'
import { ANONYMOUS } from '../tokens/claim-subject.js'
import type { Identity } from '../tokens/identity.js'

/** Ends the connections of this process that an order names. */
export interface Endings {
  endRevoked (matches: (identity: Identity) => boolean): void
  endUser (userId: string): void
  /** `forMs`: how long an address stays banned, for the client to wait. */
  endBanned (addressKeys: ReadonlySet<string>, forMs: (addressKey: string) => number): void
}

const REVOKED = refuse('revoked')
const DISCONNECTED = refuse('disconnected')

/** Makes the endings over all open connections. */
export function createEndings (registry: Registry): Endings {
  function endWhere (sessions: Iterable<Session>, matches: (session: Session) => boolean, refusalOf: (session: Session) => Refusal): void {
    for (const session of [...sessions]) if (matches(session)) endSession(session, refusalOf(session))
  }
  return {
    endRevoked (matches) { endWhere(registry.all(), session => matches(session.identity), () => REVOKED) },
    endUser (userId) {
      // Connections without a token count for their address, all others for their user: one order must not visit everybody.
      const sessions = userId === ANONYMOUS ? registry.all() : registry.ofOwner(userId)
      endWhere(sessions, session => session.identity.userId === userId, () => DISCONNECTED)
    },
    endBanned (addressKeys, forMs) {
      endWhere(registry.all(), ({ address }) => addressKeys.has(address.key), ({ address }) => refuse('banned', { retryAfterMs: forMs(address.key) }))
    }
  }
}
