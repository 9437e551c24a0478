import type { IssuerRoute } from './issuer-route.js'

/** One configured issuer: tokens are accepted only from these, and each issuer's keys verify only its own tokens. */
export interface IssuerConfig {
  /** Short name: log field, metric label, and prefix of the user id when several issuers are configured. */
  readonly name: string
  readonly preset: 'oidc' | 'keycloak' | 'supabase'
  /** The exact `iss`. */
  readonly issuer: string
  /** One of these must be in `aud` (for Keycloak: or be `azp`). Never empty. */
  readonly audience: readonly string[]
  /** Where it is asked, where that is not `issuer` itself: an inner address, or the preset's own. */
  readonly reachedAt?: string
  /** Null: found by OIDC discovery (`<issuer>/.well-known/openid-configuration`). */
  readonly jwksUri: string | null
  /** Asymmetric algorithms only. */
  readonly algorithms: readonly string[]
  /** Supabase legacy projects by explicit opt-in: the HS256 secret. Null everywhere else. */
  readonly hmacSecret: string | null
  /** Keycloak with `KEYCLOAK_INTROSPECT=true`: each accepted token is introspected once (RFC 7662). */
  readonly introspection: { readonly endpoint: string, readonly clientId: string, readonly clientSecret: string } | null
  /** Where several issuers are configured: its users have agents and tasks. */
  readonly rights?: true
}

export interface TokenSettings {
  readonly issuers: readonly IssuerConfig[]
  readonly clockToleranceMs: number
  /** Longest accepted time from `iat` to `exp`. */
  readonly maxLifetimeMs: number
  /** Verified tokens remembered at most. */
  readonly cacheSize: number
  readonly jwks: JwksSettings
  /** How this process reaches issuers. */
  readonly route: IssuerRoute
}

export interface JwksSettings {
  /** Keys older than this are refreshed in the background. */
  readonly maxAgeMs: number
  /** Least time between two fetches, whatever asks for them; before the first key it grows to this from a second. */
  readonly cooldownMs: number
  /** How long past `maxAgeMs` known keys go on when the issuer is away. */
  readonly maxStaleMs: number
  readonly timeoutMs: number
}
