import { buildIdentity } from './build-identity.js'
import { findClaimFault, isAccessClaims, type ClaimRules } from './claims.js'
import type { Identity } from './identity.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { isSignedWith, type IssuerKeys } from './issuer-keys.js'
import type { VerificationKey } from './keys.js'
import type { KeySet, PreparedKey } from './key-set.js'
import type { TokenFault } from './token-fault.js'
import { decodeSegment, type TokenFormat } from './token-format.js'
import { readTokenHeader } from './token-header.js'

/** What one issuer's keys and rules say of a token: a proven identity, a fault, or that its key is not at hand. */
export type LocalVerdict =
  { readonly kind: 'verified', readonly identity: Identity, readonly key: VerificationKey } |
  { readonly kind: 'fault', readonly fault: TokenFault } |
  { readonly kind: 'no_key', readonly expired: boolean }

export interface IssuerVerifier {
  readonly config: IssuerConfig
  /** Decides with the keys at hand: signature first, then the claims. Never throws. */
  check (token: string, format: TokenFormat, nowMs: number): LocalVerdict
  /** Whether a token that this key has verified may still count as verified. */
  trusts (key: VerificationKey): boolean
}

const MAX_REMEMBERED_HEADERS = 256
const REQUIRED_CLAIMS = ['exp', 'sub', 'iss']

/** Makes the verifier of one issuer, which sees no keys but the issuer's. */
export function createIssuerVerifier (issuerKeys: IssuerKeys, settings: TokenSettings): IssuerVerifier {
  const { config, source, secret } = issuerKeys
  const severalIssuers = settings.issuers.length > 1
  const rules: ClaimRules = {
    preset: config.preset,
    audience: new Set(config.audience),
    clockToleranceMs: settings.clockToleranceMs,
    maxLifetimeMs: settings.maxLifetimeMs
  }

  function check (token: string, format: TokenFormat, nowMs: number): LocalVerdict {
    const segment = token.slice(0, format.headerEnd)
    const keys = source.current()
    const remembered = keys?.byHeader.get(segment)
    if (remembered !== undefined) return verifyWith(remembered, token, format, nowMs)
    const header = readTokenHeader(segment)
    if (typeof header === 'string') return { kind: 'fault', fault: header }
    if (!issuerKeys.allows(header)) return { kind: 'fault', fault: 'algorithm' }
    const prepared = issuerKeys.find(header)
    if (prepared === null) return checkWithoutKey(token, format, nowMs)
    const verdict = verifyWith(prepared, token, format, nowMs)
    // Only what a key has signed gets a place: a forger can neither fill the map nor steer it.
    if (verdict.kind === 'verified' && prepared.key !== secret && keys !== null) rememberHeader(keys, segment, prepared)
    return verdict
  }

  function verifyWith (prepared: PreparedKey, token: string, format: TokenFormat, nowMs: number): LocalVerdict {
    if (!isSignedWith(prepared, token, format)) return { kind: 'fault', fault: 'signature' }
    const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
    if (claims === null) return { kind: 'fault', fault: 'payload' }
    const fault = findIssuerFault(claims, config.issuer) ?? findClaimFault(claims, rules, nowMs)
    if (fault !== null) return { kind: 'fault', fault }
    if (!isAccessClaims(claims)) return { kind: 'fault', fault: 'payload' }
    return { kind: 'verified', identity: buildIdentity(claims, config.name, severalIssuers), key: prepared.key }
  }

  // What is wrong whatever the key may be is said at once: it is worth no fetch, and it is no fault of the issuer's.
  function checkWithoutKey (token: string, format: TokenFormat, nowMs: number): LocalVerdict {
    const claims = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))
    if (claims === null) return { kind: 'fault', fault: 'payload' }
    if (claims['iss'] !== config.issuer) return { kind: 'fault', fault: 'unknown_issuer' }
    const fault = findClaimFault(claims, rules, nowMs)
    if (fault !== null && fault !== 'expired') return { kind: 'fault', fault }
    return { kind: 'no_key', expired: fault === 'expired' }
  }

  return {
    config,
    check,
    trusts: key => key === secret || source.current()?.has(key) === true
  }
}

function rememberHeader (keys: KeySet, segment: string, prepared: PreparedKey): void {
  if (keys.byHeader.size < MAX_REMEMBERED_HEADERS) keys.byHeader.set(segment, prepared)
}

function findIssuerFault (claims: Record<string, unknown>, issuer: string): TokenFault | null {
  if (REQUIRED_CLAIMS.some(claim => !(claim in claims))) return 'claim_missing'
  return claims['iss'] === issuer ? null : 'unknown_issuer'
}
