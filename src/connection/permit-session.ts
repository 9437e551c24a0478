import type { Authorizer } from '../access/authorizer.js'
import { refuse, type Refusal } from '../refusals.js'
import { authorize, type Filters, type Granted } from './authorize.js'
import type { Rights } from './rights.js'
import type { Session } from './session.js'

export interface PermitDeps {
  readonly authorizer: Authorizer
  readonly rights: Pick<Rights, 'generationOf'>
}

const UNAVAILABLE = refuse('unavailable', { retryAfterMs: 1000 })
/** Rights that change more often than this while one question is answered are a fault of the back end. */
const MAX_PERMIT_TRIES = 5

/**
 * Resolves with what the user of an open connection may see, by an answer that is still true when it arrives: when the
 * token was replaced or rights were said to have changed meanwhile, it is asked for again, and not from a cache. Never rejects.
 */
export async function permitSession ({ authorizer, rights }: PermitDeps, session: Session, filters: Filters): Promise<Granted | Refusal> {
  try {
    for (let tries = 0; tries < MAX_PERMIT_TRIES; tries++) {
      const { userId } = session.identity
      const [order, token] = [rights.generationOf(userId), session.identityGeneration]
      const granted = await authorize(authorizer, session.identity, session.token, filters, tries > 0)
      if (rights.generationOf(userId) === order && session.identityGeneration === token) return granted
    }
  } catch {
    return UNAVAILABLE
  }
  return UNAVAILABLE
}
