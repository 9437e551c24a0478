import Type from '#typebox'
import { Compile } from '#typebox/compile'
import type { ClaimReading } from '../tokens/claim-reading.js'
import type { IntrospectionSettings, IssuerConfig } from '../tokens/issuer-config.js'
import { checkAlgorithms, checkUrl } from './check-issuer-settings.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

const S = 1000
const YEAR_S = 31_536_000
const ClaimName = Type.String({ minLength: 1, maxLength: 256 })
/** One name, or several of which the first that is there counts. */
const ClaimNames = Type.Union([ClaimName, Type.Array(ClaimName, { minItems: 1, maxItems: 10 })])

const FurtherIssuer = Type.Object({
  name: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,31}$' }),
  issuer: Type.String({ minLength: 1, maxLength: 2048 }),
  audience: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })]),
  jwks_uri: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  algorithms: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  rights: Type.Optional(Type.Boolean()),
  scope_claim: Type.Optional(ClaimNames),
  audience_claim: Type.Optional(ClaimName),
  user_claim: Type.Optional(ClaimName),
  session_claim: Type.Optional(ClaimNames),
  typ: Type.Optional(Type.Enum(['any', 'at+jwt'])),
  max_lifetime_s: Type.Optional(Type.Integer({ minimum: 1, maximum: YEAR_S })),
  acr: Type.Optional(Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })),
  max_auth_age_s: Type.Optional(Type.Integer({ minimum: 1, maximum: YEAR_S })),
  introspection_uri: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  introspection_client_id: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 })),
  introspection_client_secret: Type.Optional(Type.String({ minLength: 1, maxLength: 4096 }))
}, { additionalProperties: false })
type Entry = Type.Static<typeof FurtherIssuer>
const FurtherIssuers = Compile(Type.Array(FurtherIssuer, { maxItems: 100 }))
const FORM = Object.entries(FurtherIssuer.properties).map(([name]) => FurtherIssuer.required.some(each => each === name) ? name : `${name}?`).join(', ')

/** Reads ISSUERS; reports what is no list of issuers, with the first place that is wrong. */
export function readFurther (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  if (values.ISSUERS === undefined) return []
  let parsed: unknown
  try { parsed = JSON.parse(values.ISSUERS) } catch { parsed = null }
  if (!FurtherIssuers.Check(parsed)) {
    const where = parsed === null ? 'it is not JSON' : FurtherIssuers.Errors(parsed).map(error => `${error.instancePath} ${error.message}`)[0] ?? ''
    report('ISSUERS', `must be a JSON array of {${FORM}}: ${where}`)
    return []
  }
  return parsed.map((entry) => {
    const algorithms = entry.algorithms ?? values.JWT_ALGORITHMS
    checkAlgorithms('ISSUERS', algorithms, report)
    return {
      name: entry.name,
      preset: 'oidc',
      issuer: entry.issuer,
      audience: [entry.audience].flat(),
      jwksUri: entry.jwks_uri ?? null,
      algorithms,
      hmacSecret: null,
      introspection: readIntrospection(entry, values, report),
      ...(entry.rights === true ? { rights: true } : {}),
      ...readReading(entry),
      ...(entry.max_lifetime_s === undefined ? {} : { maxLifetimeMs: entry.max_lifetime_s * S }),
      ...(entry.acr === undefined ? {} : { assurance: entry.acr }),
      ...(entry.max_auth_age_s === undefined ? {} : { maxAuthAgeMs: entry.max_auth_age_s * S })
    }
  })
}

/** Where this issuer is asked about its tokens; reports what is missing or unsafe. */
function readIntrospection (entry: Entry, values: SettingValues, report: ReportMistake): IntrospectionSettings | null {
  const { introspection_uri: endpoint, introspection_client_id: clientId, introspection_client_secret: clientSecret } = entry
  if (endpoint === undefined && clientId === undefined && clientSecret === undefined) return null
  if (endpoint === undefined || clientId === undefined || clientSecret === undefined) {
    report('ISSUERS', `introspection of ${entry.name} needs introspection_uri, introspection_client_id and introspection_client_secret`)
    return null
  }
  checkUrl('ISSUERS', endpoint, values.JWKS_ALLOW_HTTP, report)
  return { endpoint, clientId, clientSecret }
}

/** Where an issuer's tokens say what, as far as its entry says so. */
function readReading (entry: Entry): { readonly reading?: Partial<ClaimReading> } {
  const reading: Partial<ClaimReading> = {
    ...(entry.scope_claim === undefined ? {} : { scope: [entry.scope_claim].flat() }),
    ...(entry.audience_claim === undefined ? {} : { audience: entry.audience_claim }),
    ...(entry.user_claim === undefined ? {} : { user: entry.user_claim }),
    ...(entry.session_claim === undefined ? {} : { session: [entry.session_claim].flat() }),
    ...(entry.typ === undefined ? {} : { type: entry.typ })
  }
  return Object.keys(reading).length === 0 ? {} : { reading }
}
