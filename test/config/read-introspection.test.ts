import t from 'tap'
import { ConfigError } from '../../src/config/config-error.js'
import { loadConfig } from '../../src/config/load-config.js'

const ISSUER = { JWT_ISSUER: 'https://id.example', JWT_AUDIENCE: 'gateway' }
const ASKED = { JWT_INTROSPECTION_URI: 'https://id.example/introspect', JWT_INTROSPECTION_CLIENT_ID: 'gw', JWT_INTROSPECTION_CLIENT_SECRET: 's3cret' }
const KEYCLOAK = { KEYCLOAK_URL: 'https://kc.example', KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'gateway', KEYCLOAK_CLIENT_SECRET: 's' }
const ENDPOINT = { endpoint: 'https://id.example/introspect', clientId: 'gw', clientSecret: 's3cret' }

function mistakesOf (env: Record<string, string>): string {
  try {
    loadConfig(env)
    return ''
  } catch (error) {
    return error instanceof ConfigError ? error.message : String(error)
  }
}

t.test('any issuer can be asked about its tokens: that of JWT_ISSUER, else the only one', async (t) => {
  t.same(loadConfig({ ...ISSUER, ...ASKED }).tokens.issuers.map(({ introspection }) => introspection), [ENDPOINT])
  t.same(loadConfig({ ...KEYCLOAK, ...ASKED }).tokens.issuers.map(({ introspection }) => introspection), [ENDPOINT])
  const both = loadConfig({ ...ISSUER, ...KEYCLOAK, ...ASKED, WS_ACCESS_ISSUER: 'oidc' })
  t.same(both.tokens.issuers.map(({ name, introspection }) => [name, introspection]), [['oidc', ENDPOINT], ['keycloak', null]])
})

t.test('what is missing, given twice or unsafe is named', async (t) => {
  t.match(mistakesOf({ ...ISSUER, JWT_INTROSPECTION_CLIENT_ID: 'gw' }), 'JWT_INTROSPECTION_URI')
  t.match(mistakesOf({ ...ISSUER, JWT_INTROSPECTION_URI: ASKED.JWT_INTROSPECTION_URI }), 'JWT_INTROSPECTION_CLIENT_SECRET')
  t.match(mistakesOf({ ...ISSUER, ...ASKED, JWT_INTROSPECTION_URI: 'http://id.example/introspect' }), 'JWT_INTROSPECTION_URI')
  t.match(mistakesOf({ ...KEYCLOAK, ...ASKED, KEYCLOAK_INTROSPECT: 'true' }), 'given already')
  const own = { introspection_uri: 'https://id.example/a', introspection_client_id: 'a', introspection_client_secret: 'b' }
  t.match(mistakesOf({ ISSUERS: JSON.stringify([{ name: 'own', issuer: 'https://id.example', audience: 'a', ...own }]), ...ASKED }), 'given already')
})
