import { endSession } from '../connection/send-end-close.js'
import type { Registry } from '../connection/registry.js'
import type { Session } from '../connection/session.js'
import { refuse, type Refusal } from '../refusals.js'
import { ANONYMOUS } from '../tokens/claims.js'
import type { RevokedTokens } from '../tokens/token-name.js'

/** Ends the connections of this process that an order names. */
export interface Endings {
  endRevoked (revoked: RevokedTokens): void
  endUser (userId: string): void
  /** `forMs`: how long an address stays banned, for the client to wait. */
  endBanned (addressKeys: ReadonlySet<string>, forMs: (addressKey: string) => number): void
}

const REVOKED = refuse('revoked')
const DISCONNECTED = refuse('disconnected')

/**
 * Makes the endings over all open connections. An order visits those that it names alone; one that names more than are open visits each
 * of them once.
 */
export function createEndings (registry: Registry): Endings {
  function endWhere (sessions: Iterable<Session>, matches: (session: Session) => boolean, refusalOf: (session: Session) => Refusal): void {
    for (const session of [...sessions]) if (matches(session)) endSession(session, refusalOf(session))
  }
  return {
    endRevoked ({ names, matches }) {
      const few = names !== null && names.length <= registry.size ? names : null
      const named = few?.map(registry.ofToken) ?? [registry.all()]
      for (const sessions of named) endWhere(sessions, session => matches(session.identity), () => REVOKED)
    },
    endUser (userId) {
      // Connections without a token count for their address, all others for their user.
      const sessions = userId === ANONYMOUS ? registry.ofToken({ kind: 'sub', id: userId }) : registry.ofOwner(userId)
      endWhere(sessions, session => session.identity.userId === userId, () => DISCONNECTED)
    },
    endBanned (addressKeys, forMs) {
      const named = addressKeys.size <= registry.size ? [...addressKeys].map(registry.ofAddress) : [registry.all()]
      const refusalOf = ({ address }: Session): Refusal => refuse('banned', { retryAfterMs: forMs(address.key) })
      for (const sessions of named) endWhere(sessions, ({ address }) => addressKeys.has(address.key), refusalOf)
    }
  }
}
