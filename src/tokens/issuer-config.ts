import type { ClaimReading } from './claim-reading.js'
import type { IssuerRoute } from './issuer-route.js'

/** One configured issuer: tokens are accepted only from these, and each issuer's keys verify only its own tokens. */
export interface IssuerConfig {
  /** Short name: log field, metric label, and prefix of the user id when several issuers are configured. */
  readonly name: string
  readonly preset: 'oidc' | 'keycloak' | 'supabase'
  /** The exact `iss`. */
  readonly issuer: string
  /** One of these must be in `aud`, or in the claim that stands for it. Never empty. */
  readonly audience: readonly string[]
  /** Where it is asked, where that is not `issuer` itself: an inner address, or the preset's own. */
  readonly reachedAt?: string
  /** Null: found by OIDC discovery (`<issuer>/.well-known/openid-configuration`). */
  readonly jwksUri: string | null
  /** Asymmetric algorithms only. */
  readonly algorithms: readonly string[]
  /** Supabase legacy projects by explicit opt-in: the HS256 secret. Null everywhere else. */
  readonly hmacSecret: string | null
  /** Null: its tokens are not introspected. */
  readonly introspection: IntrospectionSettings | null
  /** Where several issuers are configured: its users have agents and tasks. */
  readonly rights?: true
  /** Where its tokens say what, as far as that differs from `TokenSettings.reading`. */
  readonly reading?: Partial<ClaimReading>
  /** Longest accepted time from `iat` to `exp` of its tokens, in ms; absent: that of all. */
  readonly maxLifetimeMs?: number
  /** Accepted values of `acr` in its tokens; absent: those of all. */
  readonly assurance?: readonly string[]
  /** Longest accepted time since `auth_time` in its tokens, in ms; absent: that of all. */
  readonly maxAuthAgeMs?: number
}

/** Where an issuer is asked whether its tokens are active (RFC 7662), and as which client. */
export interface IntrospectionSettings {
  readonly endpoint: string
  readonly clientId: string
  readonly clientSecret: string
}

export interface TokenSettings {
  readonly issuers: readonly IssuerConfig[]
  readonly clockToleranceMs: number
  /** Longest accepted time from `iat` to `exp`. */
  readonly maxLifetimeMs: number
  /** In which claims tokens say what; absent: the defaults. */
  readonly reading?: ClaimReading
  /** Accepted values of `acr`; absent or empty: any. */
  readonly assurance?: readonly string[]
  /** Longest accepted time since `auth_time`, in ms; absent or null: any. */
  readonly maxAuthAgeMs?: number | null
  /** Verified tokens remembered at most. */
  readonly cacheSize: number
  readonly jwks: JwksSettings
  readonly introspection: {
    /** How long the issuer's answer about a token counts. */
    readonly countsMs: number
    /** Questions that this process begins in a second at most, to all issuers together. */
    readonly perS: number
  }
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
