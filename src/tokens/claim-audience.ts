import type { ClaimRules } from './claim-rules.js'
import { showValue } from './show-value.js'
import type { FoundFault } from './token-fault.js'

/** What Keycloak puts into `aud` of every user's token by itself. */
const OF_ITS_OWN = 'account'

/** Whether a token is for us: one of our audiences is, or is in, the claim that names the audience. */
export function findAudienceFault (claims: Readonly<Record<string, unknown>>, rules: ClaimRules): FoundFault | null {
  const { reading, audience } = rules
  const named = claims[reading.audience]
  if (isOneOf(named, audience) || (rules.takesAuthorizedParty && isAskedForByUs(claims, audience))) return null
  return { fault: 'audience', shown: `${reading.audience} is ${showValue(named)}, wanted is ${showValue(wanted(audience))}` }
}

function wanted (audience: ReadonlySet<string>): string | readonly string[] | undefined {
  return audience.size === 1 ? [...audience][0] : [...audience]
}

function isOneOf (named: unknown, audience: ReadonlySet<string>): boolean {
  if (typeof named === 'string') return audience.has(named)
  return isStringArray(named) && named.some(each => audience.has(each))
}

/** A token that names another service is that service's, whichever client asked for it: a token exchanged for it would open us too. */
function isAskedForByUs ({ aud, azp }: Readonly<Record<string, unknown>>, audience: ReadonlySet<string>): boolean {
  if (typeof azp !== 'string' || !audience.has(azp)) return false
  if (aud === undefined || aud === OF_ITS_OWN) return true
  return isStringArray(aud) && aud.every(each => each === OF_ITS_OWN)
}

/** Whether a value is a list of texts. */
export function isStringArray (value: unknown): value is string[] {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}
