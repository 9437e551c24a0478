import t from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import { DEFAULT_READING } from '../../src/tokens/claim-reading.js'
import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import { LEAST, NOW_MS, expectMistakes } from './expect-mistakes.js'

const issuersOf = (env: NodeJS.ProcessEnv): readonly IssuerConfig[] => loadConfig(env, NOW_MS).tokens.issuers
const KEYCLOAK = { KEYCLOAK_URL: 'https://kc.example/', KEYCLOAK_REALM: 'my realm', KEYCLOAK_CLIENT_ID: 'gateway' }
const SUPABASE = { SUPABASE_URL: 'https://project.supabase.co/' }
const DEFAULT_ALGORITHMS = ['RS256', 'ES256', 'EdDSA']

t.test('a generic issuer is discovered unless its keys\' address is given', async (t) => {
  const generic: IssuerConfig = {
    name: 'oidc', preset: 'oidc', issuer: 'https://id.example', audience: ['gateway'], jwksUri: null, algorithms: DEFAULT_ALGORITHMS, hmacSecret: null, introspection: null
  }
  t.same(issuersOf(LEAST), [generic])
  const more = { JWT_JWKS_URI: 'https://id.example/keys?v=1', JWT_ALGORITHMS: 'ES384' }
  t.same(issuersOf({ ...LEAST, ...more }), [{ ...generic, jwksUri: 'https://id.example/keys?v=1', algorithms: ['ES384'] }])
})

t.test('the Keycloak preset knows the realm\'s addresses', async (t) => {
  const { KEYCLOAK_REALM, ...rest } = KEYCLOAK
  t.same(issuersOf({ ...rest, KEYCLOAK_REALM: 'demo' }), [{
    name: 'keycloak',
    preset: 'keycloak',
    issuer: 'https://kc.example/realms/demo',
    audience: ['gateway'],
    jwksUri: 'https://kc.example/realms/demo/protocol/openid-connect/certs',
    algorithms: DEFAULT_ALGORITHMS,
    hmacSecret: null,
    introspection: null
  }])
  t.match(issuersOf(KEYCLOAK), [{ issuer: 'https://kc.example/realms/my%20realm', jwksUri: /^https:\/\/kc\.example\/realms\/my%20realm\/protocol/ }], KEYCLOAK_REALM)
  for (const realm of ['a/b', 'a?b', 'a#b', 'a\tb', 'a\ud800']) t.match(expectMistakes(t, { ...rest, KEYCLOAK_REALM: realm }), [{ setting: 'KEYCLOAK_REALM' }], realm)
})

t.test('tokens may name Keycloak by an outer address, while keys and introspection are asked for at an inner one', async (t) => {
  const inner = {
    KEYCLOAK_URL: 'http://keycloak:8080/',
    KEYCLOAK_REALM: 'demo',
    KEYCLOAK_CLIENT_ID: 'gateway',
    JWKS_ALLOW_HTTP: 'true',
    KEYCLOAK_INTROSPECT: 'true',
    KEYCLOAK_CLIENT_SECRET: 's3cret'
  }
  const connect = 'http://keycloak:8080/realms/demo/protocol/openid-connect'
  for (const outer of ['https://id.example/auth', 'https://id.example/auth/', 'https://id.example/auth/realms/demo']) {
    t.match(issuersOf({ ...inner, KEYCLOAK_ISSUER_URL: outer }), [{
      issuer: 'https://id.example/auth/realms/demo',
      reachedAt: 'http://keycloak:8080/realms/demo',
      jwksUri: `${connect}/certs`,
      introspection: { endpoint: `${connect}/token/introspect` }
    }], outer)
  }
  t.notOk('reachedAt' in (issuersOf({ ...inner, KEYCLOAK_ISSUER_URL: 'http://keycloak:8080' })[0] ?? {}), 'the same address is one')
})

t.test('tokens may name a Supabase project by another issuer, exactly as told', async (t) => {
  t.match(issuersOf({ ...SUPABASE, SUPABASE_ISSUER: 'https://api.example/' }), [{
    issuer: 'https://api.example/', reachedAt: 'https://project.supabase.co/auth/v1', jwksUri: 'https://project.supabase.co/auth/v1/.well-known/jwks.json'
  }])
})

t.test('the keys of the one preset may stand elsewhere; an issuer of its own takes the address for itself', async (t) => {
  const keycloak = { ...KEYCLOAK, KEYCLOAK_REALM: 'demo' }
  const JWT_JWKS_URI = 'https://mirror.example/keys'
  t.match(issuersOf({ ...keycloak, JWT_JWKS_URI }), [{ issuer: 'https://kc.example/realms/demo', jwksUri: JWT_JWKS_URI }])
  t.match(issuersOf({ ...SUPABASE, JWT_JWKS_URI }), [{ jwksUri: JWT_JWKS_URI }])
  t.same(issuersOf({ ...LEAST, ...keycloak, JWT_JWKS_URI, WS_ACCESS_ISSUER: 'oidc' }).map(({ jwksUri }) => jwksUri),
    [JWT_JWKS_URI, 'https://kc.example/realms/demo/protocol/openid-connect/certs'])
})

t.test('Keycloak introspection is opt-in and needs the client\'s secret', async (t) => {
  const keycloak = { ...KEYCLOAK, KEYCLOAK_REALM: 'demo' }
  t.equal(issuersOf({ ...keycloak, KEYCLOAK_CLIENT_SECRET: 's3cret' })[0]?.introspection, null)
  t.same(issuersOf({ ...keycloak, KEYCLOAK_CLIENT_SECRET: 's3cret', KEYCLOAK_INTROSPECT: 'true' })[0]?.introspection, {
    endpoint: 'https://kc.example/realms/demo/protocol/openid-connect/token/introspect', clientId: 'gateway', clientSecret: 's3cret'
  })
  t.match(expectMistakes(t, { ...keycloak, KEYCLOAK_INTROSPECT: 'true' }), [{ setting: 'KEYCLOAK_CLIENT_SECRET' }])
  t.match(expectMistakes(t, { ...LEAST, KEYCLOAK_INTROSPECT: 'true' }), [{ setting: 'KEYCLOAK_URL' }])
})

t.test('the Supabase preset knows the project\'s addresses; HS256 only by its secret', async (t) => {
  const supabase: IssuerConfig = {
    name: 'supabase',
    preset: 'supabase',
    issuer: 'https://project.supabase.co/auth/v1',
    audience: ['authenticated'],
    jwksUri: 'https://project.supabase.co/auth/v1/.well-known/jwks.json',
    algorithms: DEFAULT_ALGORITHMS,
    hmacSecret: null,
    introspection: null
  }
  t.same(issuersOf(SUPABASE), [{ ...supabase, maxLifetimeMs: 604_800_000 }], 'tokens live up to a week there')
  t.same(issuersOf({ ...SUPABASE, JWT_MAX_LIFETIME_S: '3600' }), [supabase], 'a life that is given holds for it as well')
  const secret = 'legacy-secret-of-more-than-32-characters'
  t.same(issuersOf({ ...SUPABASE, SUPABASE_JWT_SECRET: secret }), [{ ...supabase, hmacSecret: secret, maxLifetimeMs: 604_800_000 }])
  t.match(expectMistakes(t, { ...LEAST, SUPABASE_JWT_SECRET: secret }), [{ setting: 'SUPABASE_URL' }])
  const access = loadConfig({ ...SUPABASE, SUPABASE_ANON_KEY: 'anon', WS_AUTHORIZER: 'supabase' }, NOW_MS).access
  t.same(access.supabase, { url: 'https://project.supabase.co', anonKey: 'anon', publicTables: [] })
})

t.test('presets and further issuers stand beside each other, each with its own name', async (t) => {
  const issuers = issuersOf({
    ...LEAST,
    ...KEYCLOAK,
    KEYCLOAK_REALM: 'demo',
    ...SUPABASE,
    WS_ACCESS_ISSUER: 'oidc',
    ISSUERS: JSON.stringify([
      { name: 'google', issuer: 'https://accounts.google.com', audience: ['a', 'b'] },
      { name: 'internal', issuer: 'urn:internal', audience: 'x', jwks_uri: 'https://internal.example/keys', algorithms: ['ES256'] }
    ])
  })
  t.same(issuers.map(issuer => issuer.name), ['oidc', 'keycloak', 'supabase', 'google', 'internal'])
  t.match(issuers[3], { preset: 'oidc', audience: ['a', 'b'], jwksUri: null, algorithms: DEFAULT_ALGORITHMS })
  t.match(issuers[4], { issuer: 'urn:internal', audience: ['x'], jwksUri: 'https://internal.example/keys', algorithms: ['ES256'] })
})

t.test('a further issuer says where its tokens say what', async (t) => {
  const entry = {
    name: 'cognito',
    issuer: 'https://cognito-idp.eu-west-1.amazonaws.com/pool',
    audience: 'client-1',
    scope_claim: ['scope', 'cognito:groups'],
    audience_claim: 'client_id',
    user_claim: 'username',
    session_claim: 'origin_jti',
    typ: 'at+jwt',
    max_lifetime_s: 7200
  }
  t.match(issuersOf({ ISSUERS: JSON.stringify([entry]) }), [{
    reading: { scope: ['scope', 'cognito:groups'], audience: 'client_id', user: 'username', session: ['origin_jti'], type: 'at+jwt' },
    maxLifetimeMs: 7_200_000
  }])
  t.equal(issuersOf({ ISSUERS: JSON.stringify([{ ...google }]) })[0]?.reading, undefined)
})

t.test('a further issuer is asked about its tokens, and says which sign-in is wanted', async (t) => {
  const asked = { introspection_uri: 'https://id.example/introspect', introspection_client_id: 'gw', introspection_client_secret: 's3cret' }
  const entry = { ...google, ...asked, acr: ['gold'], max_auth_age_s: 60 }
  const both = issuersOf({ ...LEAST, JWT_ACR: 'silver', WS_ACCESS_ISSUER: 'oidc', ISSUERS: JSON.stringify([entry]) })
  t.match(both, [{ introspection: null }, {
    introspection: { endpoint: 'https://id.example/introspect', clientId: 'gw', clientSecret: 's3cret' }, assurance: ['gold'], maxAuthAgeMs: 60_000
  }])
  for (const missing of Object.keys(asked)) {
    const mistakes = expectMistakes(t, { ISSUERS: JSON.stringify([{ ...google, ...asked, [missing]: undefined }]) })
    t.match(mistakes, [{ setting: 'ISSUERS', reason: /introspection of google needs introspection_uri/ }], missing)
    t.notMatch(JSON.stringify(mistakes), 's3cret')
  }
  const unsafe = { ...google, ...asked, introspection_uri: 'http://id.example/introspect' }
  t.match(expectMistakes(t, { ISSUERS: JSON.stringify([unsafe]) }), [{ setting: 'ISSUERS', reason: /loopback/ }])
})

t.test('what all issuers are told about claims, sign-in and life is read in one place', async (t) => {
  const read = (env: NodeJS.ProcessEnv): unknown => {
    const { reading, assurance, maxAuthAgeMs, maxLifetimeMs } = loadConfig({ ...LEAST, ...env }, NOW_MS).tokens
    return { reading, assurance, maxAuthAgeMs, maxLifetimeMs }
  }
  t.same(read({}), { reading: DEFAULT_READING, assurance: [], maxAuthAgeMs: null, maxLifetimeMs: 86_400_000 })
  const told = { JWT_SCOPE_CLAIM: 'permissions', JWT_AUDIENCE_CLAIM: 'client_id', JWT_USER_CLAIM: 'https://example.com/user', JWT_SESSION_CLAIM: 'a,b', JWT_TYP: 'at+jwt' }
  t.same(read({ ...told, JWT_ACR: 'gold,aal2', JWT_MAX_AUTH_AGE_S: '60', JWT_MAX_LIFETIME_S: '1' }), {
    reading: { scope: ['permissions'], audience: 'client_id', user: 'https://example.com/user', session: ['a', 'b'], type: 'at+jwt' },
    assurance: ['gold', 'aal2'],
    maxAuthAgeMs: 60_000,
    maxLifetimeMs: 1000
  })
  t.match(expectMistakes(t, { ...LEAST, JWT_USER_CLAIM: 'a,b' }), [{ setting: 'JWT_USER_CLAIM', reason: /one claim/ }])
})

t.test('an issuer\'s name may be http where its keys are fetched by https', async (t) => {
  const adfs = { name: 'adfs', issuer: 'http://adfs.example/adfs/services/trust', audience: 'api', jwks_uri: 'https://adfs.example/adfs/discovery/keys' }
  t.equal(issuersOf({ ISSUERS: JSON.stringify([adfs]) })[0]?.issuer, adfs.issuer)
  t.match(expectMistakes(t, { ISSUERS: JSON.stringify([{ ...adfs, jwks_uri: 'http://adfs.example/keys' }]) }), [{ setting: 'ISSUERS', reason: /loopback/ }])
  t.match(expectMistakes(t, { ISSUERS: JSON.stringify([{ ...adfs, jwks_uri: undefined }]) }), [{ setting: 'ISSUERS', reason: /loopback/ }])
})

const google = { name: 'google', issuer: 'https://accounts.google.com', audience: 'a' }
const WRONG: ReadonlyArray<readonly [string, NodeJS.ProcessEnv, string, RegExp]> = [
  ['an audience without an issuer', { JWT_AUDIENCE: 'x', ...SUPABASE }, 'JWT_ISSUER', /is needed with/],
  ['an issuer without an audience', { JWT_ISSUER: 'https://id.example' }, 'JWT_AUDIENCE', /another service/],
  ['half a Keycloak', { KEYCLOAK_URL: 'https://kc.example', KEYCLOAK_REALM: 'r' }, 'KEYCLOAK_CLIENT_ID', /is needed/],
  ['http beyond loopback', { ...LEAST, JWT_ISSUER: 'http://id.example' }, 'JWT_ISSUER', /loopback only/],
  ['http that only looks like loopback', { ...LEAST, JWT_ISSUER: 'http://127.0.0.1.evil.example' }, 'JWT_ISSUER', /loopback only/],
  ['keys over http', { ...LEAST, JWT_JWKS_URI: 'http://id.example/keys' }, 'JWT_JWKS_URI', /loopback only/],
  ['an http Keycloak', { ...KEYCLOAK, KEYCLOAK_REALM: 'r', KEYCLOAK_URL: 'http://kc.example' }, 'KEYCLOAK_URL', /loopback only/],
  ['an issuer in place of Keycloak\'s URL', { ...KEYCLOAK, KEYCLOAK_URL: 'https://kc.example/auth/realms/demo/' }, 'KEYCLOAK_URL', /without its realm: "https:\/\/kc\.example\/auth", and the realm in KEYCLOAK_REALM/],
  ['an outer address without the inner one', { ...LEAST, KEYCLOAK_ISSUER_URL: 'https://id.example' }, 'KEYCLOAK_URL', /is needed with KEYCLOAK_ISSUER_URL/],
  ['an outer address that ends in another realm', { ...KEYCLOAK, KEYCLOAK_ISSUER_URL: 'https://id.example/realms/other' }, 'KEYCLOAK_ISSUER_URL', /another realm .* \/realms\/my%20realm/],
  ['an outer address that is none', { ...KEYCLOAK, KEYCLOAK_ISSUER_URL: 'id.example' }, 'KEYCLOAK_ISSUER_URL', /http or https URL/],
  ['an inner Keycloak over http beyond loopback', { ...KEYCLOAK, KEYCLOAK_URL: 'http://keycloak:8080', KEYCLOAK_ISSUER_URL: 'https://id.example' }, 'KEYCLOAK_URL', /loopback only/],
  ['an outer Supabase without the inner one', { ...LEAST, SUPABASE_ISSUER: 'https://id.example' }, 'SUPABASE_URL', /is needed with SUPABASE_ISSUER/],
  ['keys of two presets', { ...KEYCLOAK, ...SUPABASE, JWT_JWKS_URI: 'https://id.example/keys' }, 'JWT_ISSUER', /beside one preset/],
  ['keys of a preset over http', { ...SUPABASE, JWT_JWKS_URI: 'http://id.example/keys' }, 'JWT_JWKS_URI', /loopback only/],
  ['an http Supabase', { SUPABASE_URL: 'http://p.supabase.co' }, 'SUPABASE_URL', /loopback only/],
  ['keys in a file', { ...LEAST, JWT_JWKS_URI: 'file:///etc/keys' }, 'JWT_JWKS_URI', /http or https/],
  ['an issuer without an address for its keys', { ...LEAST, JWT_ISSUER: 'urn:id' }, 'JWT_ISSUER', /http or https/],
  ['no URL', { ...LEAST, JWT_ISSUER: 'id.example' }, 'JWT_ISSUER', /must be a URL/],
  ['credentials in the URL', { ...LEAST, JWT_ISSUER: 'https://user:pw@id.example' }, 'JWT_ISSUER', /credentials/],
  ['a symmetric algorithm', { ...LEAST, JWT_ALGORITHMS: 'RS256,HS256' }, 'JWT_ALGORITHMS', /symmetric/],
  ['no algorithm', { ...LEAST, JWT_ALGORITHMS: 'none' }, 'JWT_ALGORITHMS', /unknown algorithm "none"/],
  ['ISSUERS that is no JSON', { ISSUERS: '[{', ...LEAST }, 'ISSUERS', /it is not JSON/],
  ['ISSUERS with a field unknown', { ISSUERS: JSON.stringify([{ ...google, secret: 'x' }]), ...LEAST }, 'ISSUERS', /JSON array/],
  ['ISSUERS without an audience', { ISSUERS: JSON.stringify([{ ...google, audience: [] }]), ...LEAST }, 'ISSUERS', /JSON array/],
  ['ISSUERS with a name that could shape a label', { ISSUERS: JSON.stringify([{ ...google, name: 'a:b' }]), ...LEAST }, 'ISSUERS', /JSON array/],
  ['ISSUERS with a symmetric algorithm', { ISSUERS: JSON.stringify([{ ...google, algorithms: ['hs512'] }]), ...LEAST }, 'ISSUERS', /symmetric/],
  ['a name used twice', { ISSUERS: JSON.stringify([{ ...google, name: 'oidc' }]), ...LEAST }, 'ISSUERS', /used twice/],
  ['an issuer named twice', { ISSUERS: JSON.stringify([{ ...google, issuer: 'https://id.example' }]), ...LEAST }, 'ISSUERS', /configured twice/]
]

t.test('what is half, ambiguous or unsafe about an issuer is named', async (t) => {
  for (const [what, env, setting, reason] of WRONG) {
    t.match(expectMistakes(t, env).find(mistake => mistake.setting === setting)?.reason, reason, what)
  }
})

t.test('http is for loopback, or for those who say so', async (t) => {
  for (const issuer of ['http://localhost:8080/realms/x', 'http://127.0.0.1:9', 'http://[::1]:9']) {
    t.equal(issuersOf({ ...LEAST, JWT_ISSUER: issuer })[0]?.issuer, issuer)
  }
  t.equal(issuersOf({ ...LEAST, JWT_ISSUER: 'http://id.internal', JWKS_ALLOW_HTTP: 'true' })[0]?.issuer, 'http://id.internal')
  t.equal(issuersOf({ ...LEAST, JWT_ISSUER: 'http://id.internal', JWT_JWKS_URI: 'https://id.internal/keys' })[0]?.issuer, 'http://id.internal', 'a name alone')
})
