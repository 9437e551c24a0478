import type { Revocation } from './control.js'

/** Covers the tolerance for the issuer's clock: a revocation must not end before the last token that it means. */
const MARGIN_MS = 600_000

/** Fixes what a revocation means from now on: of a user without a time, the tokens issued until now. */
export function revocationFrom (asked: Revocation, nowMs: number): Revocation {
  return asked.kind === 'sub' && asked.issuedBeforeMs === null ? { ...asked, issuedBeforeMs: nowMs } : asked
}

/** How long a revocation is kept, in ms: until the last token that it means has expired. */
export function keepRevocationForMs (revocation: Revocation, maxTokenLifetimeMs: number, nowMs: number): number {
  return Math.max((revocation.issuedBeforeMs ?? nowMs) - nowMs, 0) + revocationLastsMs(maxTokenLifetimeMs)
}

/** How long a revocation of tokens issued until now is kept, in ms. */
export function revocationLastsMs (maxTokenLifetimeMs: number): number {
  return maxTokenLifetimeMs + MARGIN_MS
}
