import Type from '#typebox'
import { Compile } from '#typebox/compile'
import type { IssuerConfig } from '../tokens/issuer-config.js'
import { keycloakAddresses, presetJwksUri, supabaseAddresses, type IssuerAddresses } from './issuer-addresses.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingName, SettingValues } from './settings.js'

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

const FurtherIssuers = Compile(Type.Array(Type.Object({
  name: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,31}$' }),
  issuer: Type.String({ minLength: 1, maxLength: 2048 }),
  audience: Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.String({ minLength: 1 }), { minItems: 1 })]),
  jwks_uri: Type.Optional(Type.String({ minLength: 1, maxLength: 2048 })),
  algorithms: Type.Optional(Type.Array(Type.String(), { minItems: 1 })),
  rights: Type.Optional(Type.Boolean())
}, { additionalProperties: false }), { maxItems: 100 }))

/** Says where it is asked only where that is not what its tokens name. */
const toNames = ({ issuer, reachedAt }: IssuerAddresses) => issuer === reachedAt ? { issuer } : { issuer, reachedAt }

function checkAlgorithms (setting: SettingName, algorithms: readonly string[], report: ReportMistake): void {
  for (const algorithm of algorithms) {
    if (/^HS/i.test(algorithm)) report(setting, 'symmetric algorithms are not accepted; legacy Supabase projects opt in by SUPABASE_JWT_SECRET')
    else if (!ASYMMETRIC.includes(algorithm)) report(setting, `unknown algorithm ${JSON.stringify(algorithm.slice(0, 40))}; known: ${ASYMMETRIC.join(', ')}`)
  }
}

/** Keys that come over plain http can be swapped on the way, so http is for loopback, or for those who say that they know. */
function checkUrl (setting: SettingName, url: string, allowHttp: boolean, report: ReportMistake): void {
  if (!URL.canParse(url)) return report(setting, 'must be a URL')
  const { protocol, hostname, username, password } = new URL(url)
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
  if (username !== '' || password !== '') report(setting, 'must not hold credentials')
  if (protocol === 'http:' && !loopback && !allowHttp) report(setting, 'http is for loopback only; use https, or set JWKS_ALLOW_HTTP=true')
  else if (protocol !== 'http:' && protocol !== 'https:') report(setting, 'must be an http or https URL')
}

function readGeneric (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience, JWT_JWKS_URI: jwksUri } = values
  checkAlgorithms('JWT_ALGORITHMS', values.JWT_ALGORITHMS, report)
  if (issuer === undefined) {
    const isOfPreset = audience === undefined && presetJwksUri(values) !== undefined
    if (!isOfPreset && (audience !== undefined || jwksUri !== undefined)) {
      report('JWT_ISSUER', 'is needed with JWT_AUDIENCE or JWT_JWKS_URI, but for JWT_JWKS_URI beside one preset')
    }
    return []
  }
  if (audience === undefined) report('JWT_AUDIENCE', 'is needed with JWT_ISSUER: a token for another service must not open this one')
  return [{
    name: 'oidc', preset: 'oidc', issuer, audience: [audience ?? ''], jwksUri: jwksUri ?? null, algorithms: values.JWT_ALGORITHMS, hmacSecret: null, introspection: null
  }]
}

function readKeycloak (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  const { KEYCLOAK_URL: url, KEYCLOAK_REALM: realm, KEYCLOAK_CLIENT_ID: clientId, KEYCLOAK_CLIENT_SECRET: clientSecret } = values
  const given = [['KEYCLOAK_URL', url], ['KEYCLOAK_REALM', realm], ['KEYCLOAK_CLIENT_ID', clientId]] as const
  if (given.every(([, value]) => value === undefined)) {
    if (values.KEYCLOAK_INTROSPECT) report('KEYCLOAK_URL', 'is needed with KEYCLOAK_INTROSPECT=true')
    if (values.KEYCLOAK_ISSUER_URL !== undefined) report('KEYCLOAK_URL', 'is needed with KEYCLOAK_ISSUER_URL: keys are fetched there')
    return []
  }
  for (const [setting, value] of given) if (value === undefined) report(setting, 'is needed for the Keycloak preset')
  if (values.KEYCLOAK_INTROSPECT && clientSecret === undefined) report('KEYCLOAK_CLIENT_SECRET', 'is needed with KEYCLOAK_INTROSPECT=true')
  const addresses = keycloakAddresses(values, report)
  const connect = `${addresses.reachedAt}/protocol/openid-connect`
  return [{
    name: 'keycloak',
    preset: 'keycloak',
    ...toNames(addresses),
    audience: [clientId ?? ''],
    jwksUri: presetJwksUri(values) ?? `${connect}/certs`,
    algorithms: values.JWT_ALGORITHMS,
    hmacSecret: null,
    introspection: values.KEYCLOAK_INTROSPECT ? { endpoint: `${connect}/token/introspect`, clientId: clientId ?? '', clientSecret: clientSecret ?? '' } : null
  }]
}

function readSupabase (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  if (values.SUPABASE_URL === undefined) {
    if (values.SUPABASE_JWT_SECRET !== undefined) report('SUPABASE_URL', 'is needed with SUPABASE_JWT_SECRET')
    if (values.SUPABASE_ISSUER !== undefined) report('SUPABASE_URL', 'is needed with SUPABASE_ISSUER: keys are fetched there')
    return []
  }
  const addresses = supabaseAddresses(values, report)
  return [{
    name: 'supabase',
    preset: 'supabase',
    ...toNames(addresses),
    audience: ['authenticated'],
    jwksUri: presetJwksUri(values) ?? `${addresses.reachedAt}/.well-known/jwks.json`,
    algorithms: values.JWT_ALGORITHMS,
    hmacSecret: values.SUPABASE_JWT_SECRET ?? null,
    introspection: null
  }]
}

function readFurther (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  if (values.ISSUERS === undefined) return []
  let parsed: unknown
  try { parsed = JSON.parse(values.ISSUERS) } catch { parsed = null }
  if (!FurtherIssuers.Check(parsed)) {
    const where = parsed === null ? 'it is not JSON' : FurtherIssuers.Errors(parsed).map(error => `${error.instancePath} ${error.message}`)[0] ?? ''
    report('ISSUERS', `must be a JSON array of {name, issuer, audience, jwks_uri?, algorithms?, rights?}: ${where}`)
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
      introspection: null,
      ...(entry.rights === true ? { rights: true } : {})
    }
  })
}

/** Reads every configured issuer, presets included; reports what is missing, unsafe or ambiguous. */
export function readIssuers (values: SettingValues, report: ReportMistake): IssuerConfig[] {
  const sources = [['JWT_ISSUER', readGeneric], ['KEYCLOAK_URL', readKeycloak], ['SUPABASE_URL', readSupabase], ['ISSUERS', readFurther]] as const
  const issuers: IssuerConfig[] = []
  for (const [setting, read] of sources) {
    for (const issuer of read(values, report)) {
      // While the keys' address is given an `iss` is but a name: no URL (RFC 7519 section 4.1.1), or one of http.
      if (issuer.jwksUri === null || issuer.preset !== 'oidc') checkUrl(setting, issuer.reachedAt ?? issuer.issuer, values.JWKS_ALLOW_HTTP, report)
      const isKeysAddressTold = issuer.preset === 'oidc' || issuer.jwksUri === values.JWT_JWKS_URI
      if (issuer.jwksUri !== null && isKeysAddressTold) checkUrl(setting === 'ISSUERS' ? setting : 'JWT_JWKS_URI', issuer.jwksUri, values.JWKS_ALLOW_HTTP, report)
      if (issuers.some(other => other.name === issuer.name)) report(setting, `the issuer name ${issuer.name} is used twice`)
      if (issuers.some(other => other.issuer === issuer.issuer)) report(setting, 'the same issuer is configured twice')
      issuers.push(issuer)
    }
  }
  return issuers
}
