import type { Confirmation } from './confirmation.js'

/** Who a verified token says the client is. Immutable; shared by every connection that presents the same token. */
export interface Identity {
  /** The claim that names the user, `sub` by default; `<issuer name>:` before it when several issuers are configured. */
  readonly userId: string
  /** The claim `sub`, by which tokens are revoked; `''` where there is none, as another claim names the user. */
  readonly subject: string
  /** The configured name of the issuer, never text from the token. */
  readonly issuer: string
  readonly claims: Readonly<Record<string, unknown>>
  /** `exp`, in ms since the epoch. */
  readonly expiresAtMs: number
  /** `iat`, in ms since the epoch; null when the token has none. */
  readonly issuedAtMs: number | null
  /** `jti`, and the claim that names the session, by which a token or a session can be revoked. */
  readonly tokenId: string | null
  readonly sessionId: string | null
  readonly scopes: ReadonlySet<string>
  /** Present only where the claim of scopes has a type that grants none: what it is, for operators. */
  readonly scopeMistake?: string
  /** The key that the token is bound to; null: it is a bearer token. */
  readonly confirmation: Confirmation | null
  /** True only for break-glass `anonymous` connections. */
  readonly insecure: boolean
}
