import { isProven } from './confirmation.js'
import type { IssuerKeys } from './issuer-keys.js'
import type { IssuerVerifier, LocalVerdict } from './issuer-verifier.js'
import { nameMistake } from './name-mistake.js'
import { readFormat } from './read-format.js'
import { refuseToken, type FoundFault } from './token-fault.js'
import { decodeSegment, type TokenFormat } from './token-format.js'
import type { TokenRefusal } from './token-verifier.js'
import type { VerifiedToken } from './verified-tokens.js'

/** One configured issuer: its keys, and its rules. */
export interface Issuer {
  readonly verifier: IssuerVerifier
  readonly keys: IssuerKeys
}

/** The key that a token names is not at hand. */
export type WithoutKey = LocalVerdict & { readonly kind: 'no_key' }

/** What a token is worth by what this process has at hand. `issuer`: by whose rules; null: none was found. */
export type Judged =
  { readonly kind: 'refused', readonly issuer: Issuer | null, readonly refusal: TokenRefusal } |
  { readonly kind: 'no_key', readonly issuer: Issuer, readonly local: WithoutKey } |
  { readonly kind: 'verified', readonly issuer: Issuer, readonly verified: VerifiedToken }

/** Judges a token anew. `jkt`: the key that its sender has proven to hold. `leavesNoTrace`: as of `IssuerVerifier`. */
export type Judge = (token: string, jkt: string | undefined, nowMs: number, leavesNoTrace?: boolean) => Judged

export const UNPROVEN = refuseToken('sender_constrained')

/** Makes the judge of these issuers' tokens. The unverified `iss` does no more than choose one of them. */
export function createJudge (issuers: readonly Issuer[]): Judge {
  const byIssuer = new Map<unknown, Issuer>(issuers.map(issuer => [issuer.verifier.config.issuer, issuer]))
  const onlyIssuer = issuers.length === 1 ? issuers[0] : undefined
  const refuseAs = (issuer: Issuer | null, { fault, shown }: FoundFault): Judged => ({ kind: 'refused', issuer, refusal: refuseToken(fault, shown) })

  return (token, jkt, nowMs, leavesNoTrace = false) => {
    const format = readFormat(token)
    if ('fault' in format) return refuseAs(null, format)
    const issuer = onlyIssuer ?? byIssuer.get(issuerNamedBy(token, format))
    if (issuer === undefined) return refuseAs(null, nameMistake(token, format, { fault: 'unknown_issuer', shown: null }))
    const local = issuer.verifier.check(token, format, nowMs, leavesNoTrace)
    if (local.kind === 'fault') return refuseAs(issuer, nameMistake(token, format, local))
    if (local.kind === 'no_key') return { kind: 'no_key', issuer, local }
    if (!isProven(local.identity.confirmation, jkt)) return { kind: 'refused', issuer, refusal: UNPROVEN }
    const verdict = { ok: true, identity: local.identity } as const
    return { kind: 'verified', issuer, verified: { verdict, key: local.key, verifier: issuer.verifier, askedAtMs: null } }
  }
}

/** What a token is answered whose key is not at hand, and for which none may be fetched. `askedAtMs`: since when it is asked about. */
export function refuseWithoutKey ({ keys: { source } }: Issuer, { keyId, expired }: WithoutKey, askedAtMs: number): TokenRefusal {
  const keys = source.current()
  // Ended or forged, no key could make it good.
  if (keys === null && expired) return refuseToken('expired_unproven')
  if (keys === null) return { ...refuseToken('keys_unavailable'), retryAfterMs: source.waitMs() }
  const isFinal = keyId === null || keys.knows(keyId) || expired || source.isFrom(askedAtMs)
  return isFinal ? refuseToken('unknown_key') : notFetchedYet(source.waitMs())
}

/** The issuer may have made a key since it was asked, as at a rotation: its first tokens are as good as those that come after. */
function notFetchedYet (waitMs: number): TokenRefusal {
  return { ok: false, refusal: 'unavailable', detail: 'unknown_key', retryAfterMs: waitMs }
}

/** What the token says, unverified. */
function issuerNamedBy (token: string, { headerEnd, payloadEnd }: TokenFormat): unknown {
  return decodeSegment(token.slice(headerEnd + 1, payloadEnd))?.['iss']
}
