import t, { type Test } from 'tap'
import { present, presentRefused } from '../attacks/present.js'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { claimsOf, makeRealm, partOf, SECRET, type Realm } from './realm.js'
async function enter (t: Test, gateway: TestGateway, token: string): Promise<TestClient> {
  const client = await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
  await client.next()
  return client
}

async function addUser (realm: Realm, name: string): Promise<{ readonly id: string, logIn (): Promise<string> }> {
  const password = `${name}-tries-it`
  await realm.call('POST', '/users', {
    username: name, enabled: true, email: `${name}@example.com`, emailVerified: true, firstName: name, lastName: 'Example', credentials: [{ type: 'password', value: password, temporary: false }]
  })
  const [user] = await realm.call('GET', `/users?username=${name}&exact=true`) as Array<{ id: string }>
  return { id: user?.id ?? '', logIn: async () => (await realm.logIn({ username: name, password })).access_token }
}

async function addKey (realm: Realm, name: string, priority: number): Promise<void> {
  const { id } = await realm.call('GET', '') as { id: string }
  await realm.call('POST', '/components', {
    name,
    parentId: id,
    providerType: 'org.keycloak.keys.KeyProvider',
    providerId: 'rsa-generated',
    config: { algorithm: ['RS256'], priority: [String(priority)], active: ['true'], enabled: ['true'] }
  })
}

t.test('how access ends', async (t) => {
  const [realm, redis] = await Promise.all([makeRealm(t, { by: 'rest' }), startRedis(t)])
  const settings = { ...realm.settings, REDIS_URL: redis.url, WS_USER_CONNECTIONS: '100', JWKS_COOLDOWN_S: '1' }
  const gateway = await startGateway(t, settings)
  const asking = await startGateway(t, {
    ...settings,
    KEYCLOAK_INTROSPECT: 'true',
    JWT_INTROSPECT_S: '2',
    KEYCLOAK_CLIENT_SECRET: 'change-me-before-the-import',
    REDIS_KEY_PREFIX: 'asking:'
  })

  await t.test('the realm\'s key is changed while sockets are open', async (t) => {
    const before = (await realm.logIn()).access_token
    const client = await enter(t, gateway, before)
    await addKey(realm, 'next', 200)
    const after = (await realm.logIn()).access_token
    t.not(partOf(after, 0)['kid'], partOf(before, 0)['kid'])
    await until('the new key is known', async () => (await present(t, gateway, after)).status === 101)
    t.equal((await present(t, gateway, before)).status, 101, 'the key before is still published')
    client.send({ type: 'refresh', token: after })
    t.match(await client.next(), { type: 'refreshed' })
  })

  await t.test('a key that is withdrawn opens nothing any more, and sockets that are open stay', async (t) => {
    const token = (await realm.logIn()).access_token
    const client = await enter(t, gateway, token)
    const { keys } = await realm.call('GET', '/keys') as { keys: Array<{ kid: string, providerId: string }> }
    const kid = partOf(token, 0)['kid']
    await realm.call('DELETE', `/components/${keys.find(key => key.kid === kid)?.providerId ?? ''}`)
    await addKey(realm, 'after', 300)
    const after = (await realm.logIn()).access_token
    await until('its key is known', async () => (await present(t, gateway, after)).status === 101)
    t.match(await presentRefused(t, gateway, token), / unknown_key$/)
    client.send({ type: 'ping' })
    t.match(await client.next(), { type: 'pong' })
  })

  await t.test('a logout opens nothing new where tokens are asked about, and is not heard of elsewhere', async (t) => {
    const user = await addUser(realm, 'lou')
    const token = await user.logIn()
    const open = await enter(t, gateway, token)
    await realm.call('DELETE', `/sessions/${String(claimsOf(token)['sid'])}`)
    t.equal(await presentRefused(t, asking, token), '401 revoked inactive')
    t.equal((await present(t, gateway, token)).status, 101, 'without introspection only the token counts')
    open.send({ type: 'ping' })
    t.match(await open.next(), { type: 'pong' })
  })

  await t.test('a user who is disabled', async (t) => {
    const user = await addUser(realm, 'dis')
    const [seen, fresh] = [await user.logIn(), await user.logIn()]
    const open = await enter(t, asking, seen)
    const before = await realm.call('GET', `/users/${user.id}`) as object
    await realm.call('PUT', `/users/${user.id}`, { ...before, enabled: false })
    t.equal(await presentRefused(t, asking, fresh), '401 revoked inactive')
    t.same(await open.closed, { code: 4401, reason: '{"error":"revoked"}' }, 'no logout tells of it, only a question')
    t.equal((await present(t, asking, seen)).status, 401)
    await t.rejects(user.logIn(), /invalid_grant/)
  })

  await t.test('a token that its client revoked (RFC 7009)', async (t) => {
    await realm.addClient('revokes')
    const { access_token: token } = await realm.logIn({ client_id: 'revokes', client_secret: SECRET })
    const form = new URLSearchParams({ token, client_id: 'revokes', client_secret: SECRET })
    const { status } = await fetch(`${realm.issuer}/protocol/openid-connect/revoke`, { method: 'POST', body: form })
    t.equal(status, 200)
    t.equal(await presentRefused(t, asking, token), '401 revoked inactive')
    t.equal((await present(t, gateway, token)).status, 101)
  })
})
