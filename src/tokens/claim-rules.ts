import { DEFAULT_READING, type ClaimReading } from './claim-reading.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'

/** What an access token's claims are held against. */
export interface ClaimRules {
  readonly issuer: string
  readonly reading: ClaimReading
  /** Claims that must be there, whatever they hold. */
  readonly required: readonly string[]
  readonly audience: ReadonlySet<string>
  /** Keycloak names the client that asked for the token in `azp`, and may leave `aud` out. */
  readonly takesAuthorizedParty: boolean
  readonly clockToleranceMs: number
  readonly maxLifetimeMs: number
  /** One of these is wanted in `acr`; empty: any, or none. */
  readonly assurance: ReadonlySet<string>
  /** Longest time since the user signed in (`auth_time`), in ms; null: any. */
  readonly maxAuthAgeMs: number | null
}

/** RFC 9068 section 2.2, beyond what every token must have. */
const REQUIRED_OF_RFC_9068 = ['aud', 'client_id', 'jti']

/** The rules of one issuer: its own word first, then that of all. A preset knows where its audience stands. */
export function toClaimRules (config: IssuerConfig, settings: TokenSettings): ClaimRules {
  const isPreset = config.preset !== 'oidc'
  const reading: ClaimReading = {
    ...DEFAULT_READING, ...settings.reading, ...(isPreset ? { audience: DEFAULT_READING.audience } : {}), ...config.reading
  }
  return {
    issuer: config.issuer,
    reading,
    required: ['exp', reading.user, 'iss', 'iat', ...(reading.type === 'at+jwt' ? REQUIRED_OF_RFC_9068 : [])],
    audience: new Set(config.audience),
    takesAuthorizedParty: config.preset === 'keycloak',
    clockToleranceMs: settings.clockToleranceMs,
    maxLifetimeMs: config.maxLifetimeMs ?? settings.maxLifetimeMs,
    assurance: new Set(config.assurance ?? settings.assurance),
    maxAuthAgeMs: config.maxAuthAgeMs ?? settings.maxAuthAgeMs ?? null
  }
}

/** The longest that any issuer's token may live, in ms: for that long a revocation must be remembered. */
export function longestLifetimeMs ({ issuers, maxLifetimeMs }: Pick<TokenSettings, 'issuers' | 'maxLifetimeMs'>): number {
  return Math.max(maxLifetimeMs, ...issuers.map(issuer => issuer.maxLifetimeMs ?? 0))
}

/** The first of these claims that is there; undefined: none is. */
export function firstClaim (claims: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  for (const name of names) if (claims[name] !== undefined) return claims[name]
  return undefined
}
