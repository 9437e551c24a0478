import { generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import t, { type Test } from 'tap'
import { presentRefused } from '../attacks/present.js'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { claimsOf, makeRealm, partOf, SECRET, type Realm } from './realm.js'

const bearer = (token: string) => ({ from: freshAddress(), headers: { authorization: `Bearer ${token}` } })

async function enter (t: Test, gateway: TestGateway, token: string, path = '/ws'): Promise<TestClient> {
  return await connect(t, gateway, path, bearer(token))
}

/** A proof of possession (RFC 9449 section 4.2) for the token endpoint. */
function proveTo (address: string): string {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const segment = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const head = segment({ typ: 'dpop+jwt', alg: 'ES256', jwk: publicKey.export({ format: 'jwk' }) })
  const input = `${head}.${segment({ htm: 'POST', htu: address, iat: Math.floor(Date.now() / 1000), jti: randomUUID() })}`
  return `${input}.${sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

async function exchangeFor (realm: Realm, token: string, audience: string): Promise<string> {
  const { access_token: exchanged } = await realm.request({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    client_id: 'exchanger',
    client_secret: SECRET,
    subject_token: token,
    subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
    audience
  })
  return exchanged
}

t.test('a realm that was made by the REST interface', async (t) => {
  const [realm, redis] = await Promise.all([makeRealm(t, { by: 'rest' }), startRedis(t)])
  const algorithms = 'RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA'
  const gateway = await startGateway(t, { ...realm.settings, REDIS_URL: redis.url, JWT_ALGORITHMS: algorithms, WS_USER_CONNECTIONS: '1000', JWKS_COOLDOWN_S: '1' })
  const tokens = await realm.logIn()
  const sub = String(claimsOf(tokens.access_token)['sub'])

  await t.test('who logged in with a password sees what the user profile says, and may send', async (t) => {
    const client = await enter(t, gateway, tokens.access_token, '/ws?agent_ids=a1')
    t.match(await client.next(), { type: 'welcome', user_id: sub })
    t.match(await client.next(), { type: 'subscribed', agent_ids: ['a1'] })
    client.send({ type: 'send', to: 'agent:a1', data: 'hello' })
    t.same(await client.next(), { type: 'sent' })
  })

  await t.test('what is not an access token opens nothing', async (t) => {
    t.equal(await presentRefused(t, gateway, tokens.id_token ?? ''), '401 invalid_token token_type')
    t.match(await presentRefused(t, gateway, tokens.refresh_token ?? ''), /^401 invalid_token (algorithm|token_type)$/)
    const offline = await realm.logIn({ scope: 'openid offline_access' })
    t.equal(claimsOf(offline.refresh_token ?? '')['typ'], 'Offline')
    t.match(await presentRefused(t, gateway, offline.refresh_token ?? ''), /^401 invalid_token (algorithm|token_type)$/)
  })

  await t.test('all instances of a service account are one user, with nothing to see', async (t) => {
    await realm.addClient('worker')
    const grant = { grant_type: 'client_credentials', client_id: 'worker', client_secret: SECRET }
    const users = await Promise.all([1, 2].map(async () => {
      const { access_token: token } = await realm.request(grant)
      return (await (await enter(t, gateway, token)).next())['user_id']
    }))
    t.equal(new Set(users).size, 1)
  })

  await t.test('a token that was exchanged for the gateway opens, one for another service does not', async (t) => {
    const audienceOf = (name: string) => ({
      name: `to ${name}`, protocol: 'openid-connect', protocolMapper: 'oidc-audience-mapper', config: { 'included.client.audience': name, 'access.token.claim': 'true' }
    })
    await realm.addClient('billing')
    await realm.addClient('exchanger', { attributes: { 'standard.token.exchange.enabled': 'true' }, protocolMappers: [audienceOf('billing')] })
    const { access_token: subject } = await realm.logIn({ client_id: 'exchanger', client_secret: SECRET, scope: 'openid' })
    const forGateway = await exchangeFor(realm, subject, 'portcullis')
    t.equal(claimsOf(forGateway)['aud'], 'portcullis')
    t.equal((await (await enter(t, gateway, forGateway)).next())['user_id'], sub)
    const forBilling = await exchangeFor(realm, subject, 'billing')
    t.equal(claimsOf(forBilling)['aud'], 'billing')
    t.match(await presentRefused(t, gateway, forBilling), '401 invalid_token audience')
  })

  await t.test('a token for another service is refused also by a gateway that is the client it was made through', async (t) => {
    const own = await startGateway(t, { ...realm.settings, KEYCLOAK_CLIENT_ID: 'exchanger' })
    const { access_token: subject } = await realm.logIn({ client_id: 'exchanger', client_secret: SECRET, scope: 'openid' })
    const forBilling = await exchangeFor(realm, subject, 'billing')
    t.match(claimsOf(forBilling), { azp: 'exchanger', aud: 'billing' })
    t.equal(await presentRefused(t, own, forBilling), '401 invalid_token audience')
  })

  await t.test('a lightweight token has no user of its own and opens nothing', async (t) => {
    await realm.addClient('light', { attributes: { 'client.use.lightweight.access.token.enabled': 'true' } })
    const { access_token: token } = await realm.logIn({ client_id: 'light', client_secret: SECRET })
    t.notOk('aud' in claimsOf(token))
    t.match(await presentRefused(t, gateway, token), /^401 invalid_token /)
  })

  await t.test('a token that is bound to a key (DPoP) is nobody\'s without its proof', async (t) => {
    const endpoint = `${realm.issuer}/protocol/openid-connect/token`
    const form = { grant_type: 'password', client_id: 'try-it', username: 'alice', password: 'alice-tries-it' }
    const { access_token: token } = await realm.request(form, { dpop: proveTo(endpoint) })
    t.match(claimsOf(token), { typ: 'DPoP', cnf: { jkt: /^[\w-]{43}$/ } })
    t.equal(await presentRefused(t, gateway, token), '401 invalid_token sender_constrained')
  })

  await t.test('keys of every algorithm', async (t) => {
    const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' } as Readonly<Record<string, string>>
    const providerOf = (algorithm: string) => algorithm === 'EdDSA'
      ? { providerId: 'eddsa-generated', config: { eddsaEllipticCurveKey: ['Ed25519'] } }
      : algorithm in curves
        ? { providerId: 'ecdsa-generated', config: { ecdsaEllipticCurveKey: [curves[algorithm]] } }
        : { providerId: 'rsa-generated', config: { algorithm: [algorithm] } }
    const { id } = await realm.call('GET', '') as { id: string }
    const refused = await offenders(algorithms.split(','), async (algorithm) => {
      const { providerId, config } = providerOf(algorithm)
      await realm.call('POST', '/components', {
        name: algorithm, parentId: id, providerType: 'org.keycloak.keys.KeyProvider', providerId, config: { ...config, priority: ['1'], active: ['true'], enabled: ['true'] }
      })
      await realm.addClient(`signs-${algorithm}`, { attributes: { 'access.token.signed.response.alg': algorithm } })
      const { access_token: token } = await realm.logIn({ client_id: `signs-${algorithm}`, client_secret: SECRET })
      if (partOf(token, 0)['alg'] !== algorithm) return false
      // A key is new to the gateway until its next fetch.
      await until(`${algorithm} opens`, async () => await presentRefused(t, gateway, token) === 'accepted')
      return true
    })
    t.same(refused, [])
  })

  await t.test('a user of many groups has a token of nine thousand characters', async (t) => {
    const filler = Array.from({ length: 140 }, (_, index) => `agent-number-${index}-of-a-user-who-may-see-much`)
    await realm.call('POST', '/users', {
      username: 'bob',
      enabled: true,
      email: 'bob@example.com',
      emailVerified: true,
      firstName: 'Bob',
      lastName: 'Example',
      attributes: { agents: filler },
      credentials: [{ type: 'password', value: 'bob-tries-it', temporary: false }]
    })
    const { access_token: token } = await realm.logIn({ username: 'bob', password: 'bob-tries-it' })
    t.ok(token.length > 8192 && token.length < 12_000, `${token.length} characters`)
    t.equal(await presentRefused(t, gateway, token), 'accepted')
  })

  await t.test('a mapper that is not multivalued makes a text of a list, and is named', async (t) => {
    interface Named { readonly id: string, readonly name: string, readonly config: object }
    const scopes = await realm.call('GET', '/client-scopes') as Named[]
    const path = `/client-scopes/${scopes.find(({ name }) => name === 'portcullis')?.id ?? ''}/protocol-mappers/models`
    const mapper = (await realm.call('GET', path) as Named[]).find(({ name }) => name === 'agents')
    await realm.call('PUT', `${path}/${mapper?.id ?? ''}`, { ...mapper, config: { ...mapper?.config, multivalued: 'false' } })
    const { access_token: token } = await realm.logIn()
    t.equal(typeof claimsOf(token)['agents'], 'string')
    t.equal(await presentRefused(t, gateway, token, 'agent_ids=a1'), '403 forbidden claim_type')
  })
})
