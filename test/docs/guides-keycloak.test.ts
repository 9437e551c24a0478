import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { loadConfig } from '../../src/config/load-config.js'
import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import type { TokenFault } from '../../src/tokens/token-fault.js'
import { connect, freshAddress } from '../support/client.js'
import { startGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { PROJECT } from '../support/root.js'
import { createClock, describe, startVerifier } from '../tokens/fixture.js'
import { readDocument } from './documents.js'
import { readGuideFile, runGuide } from './guide-commands.js'
import { until } from '../support/until.js'

interface Mapper { readonly protocolMapper: string, readonly config: Readonly<Record<string, string>> }
interface Scope { readonly name: string, readonly protocolMappers?: readonly Mapper[] }
interface Client {
  readonly clientId: string
  readonly publicClient: boolean
  readonly directAccessGrantsEnabled: boolean
  readonly fullScopeAllowed: boolean
  readonly defaultClientScopes: readonly string[]
  readonly optionalClientScopes: readonly string[]
}
interface Realm {
  readonly realm: string
  readonly clientScopes: readonly Scope[]
  readonly clients: readonly Client[]
  readonly users: ReadonlyArray<{ username: string, attributes: Record<string, string[]>, credentials: ReadonlyArray<{ value: string }> }>
  readonly components: Readonly<Record<string, ReadonlyArray<{ config: Record<string, string[]> }>>>
}

const FIXTURES = new URL('test/fixtures/keycloak/', PROJECT)
const readFixture = (name: string): string => readFileSync(new URL(name, FIXTURES), 'utf8').trim()
const CERTS = JSON.parse(readFixture('certs.json')) as { keys: Array<Record<string, unknown>> }
const [ACCESS_TOKEN, ID_TOKEN] = [readFixture('access-token.jwt'), readFixture('id-token.jwt')]
const REALM = JSON.parse(readGuideFile('keycloak-realm.json')) as Realm
/** The settings of the guide, as it writes them. */
const SETTINGS = Object.fromEntries([...readDocument('guides/keycloak.md').matchAll(/^```sh settings\n([^]*?)^```$/gm)]
  .flatMap(([, block = '']) => block.trim().split('\n').map((line): [string, string] => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])))

const partOf = (token: string, part: number): string => Buffer.from(token.split('.')[part] ?? '', 'base64url').toString()
const claimsOf = (token: string): Record<string, unknown> => JSON.parse(partOf(token, 1)) as Record<string, unknown>
const issuedAtMs = Number(claimsOf(ACCESS_TOKEN)['iat']) * 1000

/** What the gateway says of a sample token soon after it was issued, with the sample keys. */
async function judgeSample (t: Test, token: string, clientId: string): Promise<{ said: string, keys: unknown }> {
  const issuer = await startIssuer(t)
  issuer.behave('jwks', { body: CERTS })
  const [preset] = loadConfig({ ...SETTINGS, KEYCLOAK_CLIENT_ID: clientId }).tokens.issuers as [IssuerConfig]
  const clock = createClock()
  clock.freeze()
  clock.advance(issuedAtMs + 1000 - clock.now())
  const { verifier, refreshed } = await startVerifier(t, [{ ...preset, jwksUri: issuer.jwksUri }], { clock })
  return { said: describe(await verifier.verify(token)), keys: refreshed[0] }
}

t.test('the samples have the form in which Keycloak writes them', async (t) => {
  t.match(partOf(ACCESS_TOKEN, 0), /^\{"alg":"RS256","typ" : "JWT","kid" : "[\w-]{43}"\}$/)
  const keys = CERTS.keys.map(({ kid, kty, alg, use, x5c, ...rest }) =>
    ({ kty, alg, use, chain: (x5c as string[]).length, more: Object.keys(rest) }))
  const more = ['x5t', 'x5t#S256', 'n', 'e']
  t.same(keys, [{ kty: 'RSA', alg: 'RSA-OAEP', use: 'enc', chain: 1, more }, { kty: 'RSA', alg: 'RS256', use: 'sig', chain: 1, more }])
  t.same([claimsOf(ACCESS_TOKEN)['typ'], claimsOf(ID_TOKEN)['typ']], ['Bearer', 'ID'])
})

t.test('the sample access token is good with the sample certs document, of which one key is used', async (t) => {
  const accepted = `accepted ${String(claimsOf(ACCESS_TOKEN)['sub'])}`
  t.match(await judgeSample(t, ACCESS_TOKEN, 'portcullis'), { said: accepted, keys: { keys: 1, skipped: { not_for_signatures: 1 } } }, 'by aud')
  t.equal((await judgeSample(t, ACCESS_TOKEN, 'web')).said, accepted, 'by azp')
  t.equal((await judgeSample(t, ACCESS_TOKEN, 'another')).said, 'invalid_token audience')
})

t.test('the sample ID token is refused, even by a gateway that is the client it was made for', async (t) => {
  t.same(await offenders(['portcullis', 'web'], async clientId => (await judgeSample(t, ID_TOKEN, clientId)).said === 'invalid_token token_type'), [])
})

t.test('the realm file is whole', async (t) => {
  const defined = REALM.clientScopes.map(({ name }) => name)
  for (const { clientId, defaultClientScopes, optionalClientScopes } of REALM.clients) {
    t.same(await offenders([...defaultClientScopes, ...optionalClientScopes], scope => defined.includes(scope)), [])
    t.ok(defaultClientScopes.includes('basic'), `${clientId}: without it a token has no sub`)
  }
  t.same(REALM.clients.filter(client => client.directAccessGrantsEnabled).map(({ clientId }) => clientId), ['admin-cli', 'try-it'], 'by password: Keycloak\'s own, and the one to try')
  t.equal(REALM.realm, SETTINGS['KEYCLOAK_REALM'])
  t.ok(REALM.clients.some(({ clientId, publicClient }) => clientId === SETTINGS['KEYCLOAK_CLIENT_ID'] && !publicClient))
  const [component] = REALM.components['org.keycloak.userprofile.UserProfileProvider'] ?? []
  const profile = JSON.parse(component?.config['kc.user.profile.config']?.[0] ?? '') as { attributes: Array<{ name: string, permissions: { edit: string[] } }>, unmanagedAttributePolicy?: string }
  t.equal(profile.unmanagedAttributePolicy, undefined, 'nobody invents attributes')
  for (const name of ['agents', 'tasks']) t.same(profile.attributes.find(attribute => attribute.name === name)?.permissions.edit, ['admin'], name)
})

/** The tokens that this realm gives for a form, made as Keycloak makes them; null: refused. */
function mintTokens (issuer: TestIssuer, form: URLSearchParams): Record<string, unknown> | null {
  const client = REALM.clients.find(({ clientId }) => clientId === form.get('client_id'))
  const user = REALM.users.find(({ username }) => username === form.get('username'))
  const isKnown = user?.credentials.some(({ value }) => value === form.get('password')) === true
  if (client?.directAccessGrantsEnabled !== true || user === undefined || !isKnown || form.get('grant_type') !== 'password') return null
  const asked = (form.get('scope') ?? '').split(' ').filter(scope => client.optionalClientScopes.includes(scope))
  const scopes = [...client.defaultClientScopes, ...asked]
  const mappers = REALM.clientScopes.filter(({ name }) => scopes.includes(name)).flatMap(({ protocolMappers }) => protocolMappers ?? [])
  const audiences = mappers.flatMap(({ config }) => config['included.client.audience'] ?? [])
  const lists = mappers.filter(({ config }) => config['multivalued'] === 'true' && config['claim.name'] !== undefined && config['claim.name'] in user.attributes)
  const typed = (typ: string, more: Record<string, unknown>): string => {
    const { exp: _exp, iat: _iat, iss: _iss, aud: _aud, agents: _agents, tasks: _tasks, ...sample } = claimsOf(typ === 'ID' ? ID_TOKEN : ACCESS_TOKEN)
    return issuer.sign({ ...sample, azp: client.clientId, ...more }, { header: { typ: 'JWT' } })
  }
  return {
    access_token: typed('Bearer', {
      // Who may have every role of the realm's users has that of the account console, which makes it an audience.
      aud: client.fullScopeAllowed ? [...audiences, 'account'] : audiences[0],
      scope: ['openid', ...asked, 'profile', 'email'].join(' '),
      ...Object.fromEntries(lists.map(({ config }) => [config['claim.name'], user.attributes[String(config['claim.name'])]]))
    }),
    expires_in: 300,
    id_token: typed('ID', { aud: client.clientId }),
    token_type: 'Bearer',
    'not-before-policy': 0,
    scope: form.get('scope')
  }
}

/** Where tokens are had: `token_endpoint` of the realm. */
async function startTokenEndpoint (t: Test, issuer: TestIssuer): Promise<string> {
  const server = createServer((request, response) => {
    void (async () => {
      const parts: Buffer[] = []
      for await (const part of request) parts.push(part as Buffer)
      const tokens = mintTokens(issuer, new URLSearchParams(Buffer.concat(parts).toString()))
      response.writeHead(tokens === null ? 401 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(tokens ?? { error: 'invalid_grant' }))
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
}

t.test('the guide from start to end', async (t) => {
  const issuer = await startIssuer(t, { preset: 'keycloak', realm: REALM.realm })
  issuer.extraJwks.push(CERTS.keys[0])
  const gateway = await startGateway(t, { ...SETTINGS, KEYCLOAK_URL: issuer.url })
  const tokenEndpoint = await startTokenEndpoint(t, issuer)

  await t.test('its commands print what it shows', async (t) => {
    const replace = { 'http://127.0.0.1:8080/realms/portcullis/protocol/openid-connect/token': tokenEndpoint, '127.0.0.1:9001': `127.0.0.1:${gateway.port}` }
    await runGuide(t, 'keycloak.md', { replace })
    await until('the lines are written', () => gateway.log.filter(line => line.event === 'connection.refused').length > 1)
    t.equal(gateway.log.filter(line => line.event === 'connection.accepted').length, 1)
    const refused = gateway.log.filter(line => line.event === 'connection.refused').map(line => `${String(line['reason'])} ${String(line['detail'])}`)
    t.same(refused[1], 'invalid_token token_type')
  })

  await t.test('alice subscribes, sends, and learns her name', async (t) => {
    const form = new URLSearchParams({ grant_type: 'password', client_id: 'try-it', username: 'alice', password: 'alice-tries-it', scope: 'openid ws:send' })
    const { access_token: token } = await (await fetch(tokenEndpoint, { method: 'POST', body: form })).json() as { access_token: string }
    const client = await connect(t, gateway, '/ws?agent_ids=a1', { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
    t.match(await client.next(), { type: 'welcome', user_id: String(claimsOf(ACCESS_TOKEN)['sub']) })
    t.match(await client.next(), { type: 'subscribed', agent_ids: ['a1'] })
    client.send({ type: 'send', to: 'agent:a1', data: 'hello' })
    t.same(await client.next(), { type: 'sent' })
  })
})

t.test('the guide explains every fault that an operator can meet with Keycloak', async (t) => {
  const guide = readDocument('guides/keycloak.md')
  const faults = ['unknown_issuer', 'audience', 'token_type', 'claim_missing', 'subject', 'unknown_key', 'algorithm', 'lifetime', 'issued_at', 'not_before', 'inactive', 'keys_unavailable', 'introspection_unavailable'] satisfies TokenFault[]
  t.same(await offenders(faults, fault => guide.includes(`\`${fault}\``)), [])
})
