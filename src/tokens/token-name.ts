import type { Identity } from './identity.js'

/** By what an order can name tokens: one token (`jti`), those of one session (`sid`), or those of one user (`sub`). */
export interface TokenName {
  readonly kind: 'jti' | 'sid' | 'sub'
  readonly id: string
}

/** Tokens that do not count any more. */
export interface RevokedTokens {
  /** They are all among the tokens of these names; null: too many to be looked up one by one. */
  readonly names: readonly TokenName[] | null
  /** Which of those it is: the same name may mean tokens of one issuer, or those issued before a time. */
  readonly matches: (identity: Identity) => boolean
}

/** The names of the tokens that stand for this identity; null: they have none of that kind. */
export function namesOf ({ tokenId, sessionId, subject }: Identity): Readonly<Record<TokenName['kind'], string | null>> {
  return { jti: tokenId, sid: sessionId, sub: subject }
}
