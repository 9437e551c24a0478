import { buildIdentity } from './build-identity.js'
import { findAuthAgeFault } from './claim-assurance.js'
import { toClaimRules } from './claim-rules.js'
import { hasExpired } from './claim-times.js'
import { findClaimFault, isAccessClaims } from './claims.js'
import type { Identity } from './identity.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { isSignedWith, type IssuerKeys } from './issuer-keys.js'
import type { VerificationKey } from './keys.js'
import type { KeySet, PreparedKey } from './key-set.js'
import type { FoundFault } from './token-fault.js'
import { decodeSegment, type TokenFormat } from './token-format.js'
import { isRfc9068Type, readTokenHeader, type TokenHeader } from './token-header.js'

/** What one issuer's keys and rules say of a token: a proven identity, a fault, or that its key is not at hand. */
export type LocalVerdict =
  { readonly kind: 'verified', readonly identity: Identity, readonly key: VerificationKey } |
  { readonly kind: 'fault' } & FoundFault |
  { readonly kind: 'no_key', readonly keyId: string | null, readonly expired: boolean }

export interface IssuerVerifier {
  readonly config: IssuerConfig
  /** Decides with the keys at hand: signature first, then the claims. Never throws. `leavesNoTrace`: nothing of it is remembered. */
  check (token: string, format: TokenFormat, nowMs: number, leavesNoTrace?: boolean): LocalVerdict
  /** What time has made wrong with a token that was accepted: it ended, or its user signed in too long ago. */
  recheck (identity: Identity, nowMs: number): FoundFault | null
  /** Whether a token that this key has verified may still count as verified. */
  trusts (key: VerificationKey): boolean
}

const MAX_REMEMBERED_HEADERS = 256

const fail = (fault: FoundFault['fault'], shown: string | null = null): LocalVerdict => ({ kind: 'fault', fault, shown })

/** Makes the verifier of one issuer, which sees no keys but the issuer's. */
export function createIssuerVerifier (issuerKeys: IssuerKeys, settings: TokenSettings): IssuerVerifier {
  const { config, source, secret } = issuerKeys
  const severalIssuers = settings.issuers.length > 1
  const rules = toClaimRules(config, settings)
  const isAccepted = rules.reading.type === 'at+jwt' ? isRfc9068Type : undefined

  function check (token: string, format: TokenFormat, nowMs: number, leavesNoTrace = false): LocalVerdict {
    const segment = token.slice(0, format.headerEnd)
    const keys = source.current()
    const remembered = keys?.byHeader.get(segment)
    if (remembered !== undefined) return verifyWith(remembered, token, format, nowMs)
    const header = readTokenHeader(segment, isAccepted)
    if (typeof header === 'string') return fail(header)
    if (!issuerKeys.allows(header)) return fail('algorithm')
    const prepared = issuerKeys.find(header)
    if (prepared === null) return checkWithoutKey(header, token, format, nowMs)
    const verdict = verifyWith(prepared, token, format, nowMs)
    // Only what a key has signed gets a place: a forger can neither fill the map nor steer it.
    if (verdict.kind === 'verified' && prepared.key !== secret && keys !== null && !leavesNoTrace) rememberHeader(keys, segment, prepared)
    return verdict
  }

  function verifyWith (prepared: PreparedKey, token: string, format: TokenFormat, nowMs: number): LocalVerdict {
    if (!isSignedWith(prepared, token, format)) return fail('signature')
    const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
    const found = findClaimFault(claims, rules, nowMs)
    if (found !== null) return { kind: 'fault', ...found }
    if (!isAccessClaims(claims)) return fail('payload')
    return { kind: 'verified', identity: buildIdentity(claims, config.name, severalIssuers, rules.reading), key: prepared.key }
  }

  // What is wrong whatever the key may be is said at once: it is worth no fetch, and it is no fault of the issuer's.
  function checkWithoutKey ({ keyId }: TokenHeader, token: string, format: TokenFormat, nowMs: number): LocalVerdict {
    const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
    const found = findClaimFault(claims, rules, nowMs)
    // Anybody can have written these claims: the name of one that is missing is ours, their values are not shown.
    if (found !== null && found.fault !== 'expired') return fail(found.fault, found.fault === 'claim_missing' ? found.shown : null)
    return { kind: 'no_key', keyId, expired: found !== null }
  }

  function recheck ({ claims, expiresAtMs }: Identity, nowMs: number): FoundFault | null {
    if (hasExpired(expiresAtMs, rules.clockToleranceMs, nowMs)) return { fault: 'expired', shown: null }
    return findAuthAgeFault(claims, rules, nowMs)
  }

  return {
    config,
    check,
    recheck,
    trusts: key => key === secret || source.current()?.has(key) === true
  }
}

function rememberHeader (keys: KeySet, segment: string, prepared: PreparedKey): void {
  if (keys.byHeader.size < MAX_REMEMBERED_HEADERS) keys.byHeader.set(segment, prepared)
}
