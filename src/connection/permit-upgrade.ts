import { describeAccessFault, formatAccessFault } from '../access/access-fault.js'
import type { Authorizer } from '../access/authorizer.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { Attempt } from './attempt.js'
import { authorize, isGranted, type Granted } from './authorize.js'

export interface PermitUpgradeDeps {
  readonly authorizer: Authorizer
  /** Is another number after each word that this user's rights changed. */
  readonly rightsGeneration: (userId: string) => number
}

/** What of an attempt is looked at, and noted. */
export type PermittedAttempt = Pick<Attempt, 'request' | 'identity' | 'rightsGeneration'>

const CHANGES = refuse('unavailable', { retryAfterMs: 1000, detail: 'access: changed' })
/** Rights that change more often than this during one upgrade are a fault of the back end. */
const MAX_PERMIT_TRIES = 5

const refuseAway = (error: unknown): Refusal =>
  refuse('unavailable', { retryAfterMs: 1000, detail: `access: ${formatAccessFault(describeAccessFault(error))}` })

/** What the user of an upgrade may listen to; notes who it is, and how old the answer is. `fresh`: from no cache. Never rejects. */
export function permitUpgrade (
  { authorizer, rightsGeneration }: PermitUpgradeDeps, attempt: PermittedAttempt, who: Identity, fresh = false
): Granted | Refusal | Promise<Granted | Refusal> {
  attempt.identity = who
  attempt.rightsGeneration = rightsGeneration(who.userId)
  try {
    const granted = authorize(authorizer, who, attempt.request.token ?? '', attempt.request, fresh)
    return granted instanceof Promise ? granted.catch(refuseAway) : granted
  } catch (error) {
    return refuseAway(error)
  }
}

/** Rights may have been said to change while the slot was asked for: then the question of before is asked again, from no cache. */
export async function permitAgain (deps: PermitUpgradeDeps, attempt: Attempt, who: Identity, before: Granted): Promise<Granted | Refusal> {
  let granted: Granted | Refusal = before
  for (let tries = 0; isGranted(granted) && attempt.rightsGeneration !== deps.rightsGeneration(who.userId); tries++) {
    if (tries === MAX_PERMIT_TRIES) return CHANGES
    granted = await permitUpgrade(deps, attempt, who, true)
  }
  return granted
}
