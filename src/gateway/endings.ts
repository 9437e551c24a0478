import { endSession } from '../connection/send-end-close.js'
import type { Registry } from '../connection/registry.js'
import type { Session } from '../connection/session.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'

/** Ends the connections of this process that an order names. */
export interface Endings {
  endRevoked (matches: (identity: Identity) => boolean): void
  endUser (userId: string): void
  /** `forMs`: how long the address stays banned, for the client to wait. */
  endBanned (addressKey: string, forMs: number): void
}

const REVOKED = refuse('revoked')
const DISCONNECTED = refuse('disconnected')

/** Makes the endings over all open connections. */
export function createEndings (registry: Registry): Endings {
  function endWhere (matches: (session: Session) => boolean, refusal: Refusal): void {
    for (const session of [...registry.all()]) if (matches(session)) endSession(session, refusal)
  }
  return {
    endRevoked (matches) { endWhere(session => matches(session.identity), REVOKED) },
    endUser (userId) { endWhere(session => session.identity.userId === userId, DISCONNECTED) },
    endBanned (addressKey, forMs) { endWhere(session => session.address.key === addressKey, refuse('banned', { retryAfterMs: forMs })) }
  }
}
