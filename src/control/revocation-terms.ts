import { MAX_REVOCATIONS, type Revocation, type RevocationTarget } from './control.js'
import { parseKeptRevocation } from './messages.js'
import type { LedgerTerms } from './order-record.js'

/** `issuedBeforeMs` of a revocation that means every token. */
const EVERY_TOKEN = Number.MAX_SAFE_INTEGER

/** A revocation as its sorted set holds it. Processes of the build before write the same text. */
export function toMember ({ kind, id, issuer, issuedBeforeMs }: Revocation): string {
  return JSON.stringify({ kind, id, issuer, issuedBeforeMs })
}

/** The name of all revocations of one token, session or user by one issuer, or (null) by any. */
export function nameOfTarget ({ kind, id, issuer }: RevocationTarget): string {
  return JSON.stringify([kind, issuer, id])
}

/** The later of two times before which tokens are revoked; null: all tokens. */
export function widest (one: number | null, other: number | null): number | null {
  return one === null || other === null ? null : Math.max(one, other)
}

/**
 * Processes of the build before read it as the revocation of a token that is nowhere. No revocation is kept under this text,
 * whatever its id is: `toMember` writes `kind` first, and so did they.
 */
const WITNESS = JSON.stringify({ id: 'kept since @', kind: 'jti', issuer: null, issuedBeforeMs: null })

/** Revocations: a second one of the same name never says less than the first. `maxLifetimeMs`: how long one lasts by itself. */
export function createRevocationTerms (maxLifetimeMs: number): LedgerTerms {
  return {
    maxOrders: MAX_REVOCATIONS,
    whenFull: 'refuse',
    onSecond: 'widen',
    unknownLiftMs: maxLifetimeMs,
    witness: WITNESS,
    nameOf (member) {
      const revocation = parseKeptRevocation(member)
      return revocation === null ? null : nameOfTarget(revocation)
    },
    reachOf: (member) => parseKeptRevocation(member)?.issuedBeforeMs ?? EVERY_TOKEN
  }
}
