import { showValue } from './show-value.js'
import { buildIdentity } from './build-identity.js'
import { toClaimRules } from './claim-rules.js'
import { findSubjectFault } from './claim-subject.js'
import { isTime } from './claim-times.js'
import { findClaimFault } from './claims.js'
import type { Identity } from './identity.js'
import type { TokenSettings } from './issuer-config.js'
import type { FoundFault } from './token-fault.js'

/**
 * Whom claims stand for that count as verified; or, in a sentence, what of them is wanted. `fault`: what a token with them would be
 * refused for.
 */
export type AssumedClaims = { readonly identity: Identity, readonly fault: FoundFault | null } | { readonly wanted: string }

export type AssumeClaims = (claims: Readonly<Record<string, unknown>>) => AssumedClaims

const HOUR_S = 3600

/** Makes what takes an operator's word for claims: with several issuers `iss` says whose they are. `now`: ms since the epoch. */
export function createAssumeClaims (settings: TokenSettings, now: () => number): AssumeClaims {
  const { issuers } = settings
  return (claims) => {
    const config = issuers.find(({ issuer }) => issuer === claims['iss']) ?? (issuers.length === 1 ? issuers[0] : undefined)
    if (config === undefined) {
      return { wanted: `claims: iss is ${showValue(claims['iss'])}, wanted is one of ${showValue(issuers.map(({ issuer }) => issuer))}` }
    }
    const rules = toClaimRules(config, settings)
    const unnamed = findSubjectFault(claims, rules)
    if (unnamed !== null) return { wanted: `claims: ${unnamed.shown ?? rules.reading.user} is to name a user in 1 to 256 characters` }
    const nowS = Math.floor(now() / 1000)
    const { exp, iat } = claims
    // What every token has is taken for granted where it was left out, so that what is wrong is seen behind it.
    const left = Object.entries({ iss: config.issuer, iat: nowS, exp: nowS + HOUR_S }).filter(([name]) => claims[name] === undefined)
    const whole = { ...claims, ...Object.fromEntries(left) }
    const timed = { ...whole, exp: isTime(exp) ? exp : nowS + HOUR_S, iat: isTime(iat) ? iat : nowS }
    const identity = buildIdentity(timed, config.name, issuers.length > 1, rules.reading)
    const issuedAtMs = isTime(iat) ? identity.issuedAtMs : null
    return { identity: { ...identity, claims, issuedAtMs }, fault: findClaimFault(whole, rules, now()) }
  }
}
