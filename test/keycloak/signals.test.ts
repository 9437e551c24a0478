import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, type LogLine, type TestGateway } from '../support/gateway.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { allowRush, claimsOf, makeRealm, SECRET, type Json, type Realm } from './realm.js'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const VERIFICATION = 'https://schemas.openid.net/secevent/ssf/event-type/verification'
const AUDIENCE = 'receiver/gateway'
const AUTHORIZATION = `Bearer ${randomUUID()}`
const REVOKED = { code: 4401, reason: /"revoked"/ }

/** A stream as an administrator makes one: the realm transmits, a client of its own receives, and events are pushed to the gateway. */
async function openStream (realm: Realm, gateway: TestGateway): Promise<void> {
  const endpoint = `http://127.0.0.1:${gateway.port}/ssf/events`
  const { attributes, ...before } = await realm.call('GET', '') as Json & { attributes: object }
  await realm.call('PUT', '', { ...before, attributes: { ...attributes, 'ssf.transmitterEnabled': 'true' } })
  await realm.call('POST', '/clients', {
    clientId: 'receiver',
    secret: SECRET,
    publicClient: false,
    serviceAccountsEnabled: true,
    attributes: { 'ssf.enabled': 'true', 'ssf.streamAudience': AUDIENCE, 'ssf.validPushUrls': endpoint, 'ssf.defaultSubjects': 'ALL' }
  })
  await realm.call('POST', '/ssf/clients/receiver/stream', {
    delivery: { method: 'urn:ietf:rfc:8935', endpoint_url: endpoint, authorization_header: AUTHORIZATION },
    events_requested: [`${CAEP}session-revoked`, `${CAEP}credential-change`]
  })
}

t.test('Keycloak pushes signals (--features=ssf, experimental), and two processes hear them', async (t) => {
  const [realm, redis] = await Promise.all([makeRealm(t, { by: 'rest' }), startRedis(t)])
  const settings = {
    ...realm.settings, REDIS_URL: redis.url, SSF_AUDIENCE: AUDIENCE, SSF_AUTHORIZATION: AUTHORIZATION, OIDC_BACKCHANNEL_LOGOUT: 'false', WS_USER_CONNECTIONS: '100'
  }
  const [here, there] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  await openStream(realm, here)
  await allowRush(realm)
  const user = (await realm.call('GET', '/users?username=alice&exact=true') as Array<{ id: string }>)[0]?.id ?? ''

  const join = async (t: Test) => {
    const tokens = await realm.logIn()
    const clients = await Promise.all([here, there].map(async (gateway): Promise<TestClient> => {
      const client = await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${tokens.access_token}` } })
      await client.next()
      return client
    }))
    return { tokens, clients, sid: String(claimsOf(tokens.access_token)['sid']), closes: Promise.all(clients.map(async ({ closed }) => await closed)) }
  }
  const leave = async ({ refresh_token: token = '' }: { readonly refresh_token?: string }): Promise<void> => {
    const form = new URLSearchParams({ client_id: 'try-it', refresh_token: token })
    const { status } = await fetch(`${realm.issuer}/protocol/openid-connect/logout`, { method: 'POST', body: form })
    if (status !== 204) throw new Error(`Keycloak answered ${status}`)
  }
  /** An order for a user is for all tokens of its second as well. */
  const leaveSecond = async (): Promise<void> => {
    const nowS = Math.floor(Date.now() / 1000)
    await until('the second is over', () => Math.floor(Date.now() / 1000) > nowS + 1)
  }
  const heard = async (target: string): Promise<LogLine> => await here.waitForLog('signal.heard', line => line['target'] === target)

  await t.test('its stream is set up, and its verification acknowledged', async (t) => {
    t.match(await realm.call('GET', '/ssf/clients/receiver/stream'), { status: 'enabled', audience: [AUDIENCE], eventsDelivered: ['CaepCredentialChange', 'CaepSessionRevoked'] })
    await realm.call('POST', '/ssf/clients/receiver/stream/verify')
    const { detail } = await here.waitForLog('signal.heard', line => String(line['detail']).includes(VERIFICATION))
    t.equal(detail, `event_unknown "${VERIFICATION}"`)
  })

  await t.test('a session of which the user logged out ends on both, and no other', async (t) => {
    const [gone, stays] = [await join(t), await join(t)]
    await leave(gone.tokens)
    t.match(await gone.closes, [REVOKED, REVOKED])
    t.match(await heard(`sid:${gone.sid}`), { issuer: 'keycloak', outcome: 'kept' })
    for (const client of stays.clients) {
      client.send({ type: 'ping' })
      t.match(await client.next(), { type: 'pong' })
    }
  })

  await t.test('a user whom an administrator logs out loses all sessions', async (t) => {
    const sessions = [await join(t), await join(t)]
    await realm.call('POST', `/users/${user}/logout`)
    for (const { closes } of sessions) t.match(await closes, [REVOKED, REVOKED])
    await heard(`sub:${user}`)
    await leaveSecond()
  })

  await t.test('a new password ends all that had begun before it', async (t) => {
    const { closes } = await join(t)
    await realm.call('PUT', `/users/${user}/reset-password`, { type: 'password', value: 'alice-tries-it', temporary: false })
    t.match(await closes, [REVOKED, REVOKED])
    await leaveSecond()
  })

  await t.test('of one session that an administrator ends, and of a user who is disabled, it tells nothing', async (t) => {
    const quiet = await join(t)
    const before = here.log.filter(({ event }) => event.startsWith('signal.')).length
    await realm.call('DELETE', `/sessions/${quiet.sid}`)
    const { attributes: _, ...alice } = await realm.call('GET', `/users/${user}`) as Json
    await realm.call('PUT', `/users/${user}`, { ...alice, enabled: false })
    await realm.call('PUT', `/users/${user}`, { ...alice, enabled: true })
    // Signals of a stream come in their order.
    const last = await join(t)
    await leave(last.tokens)
    await heard(`sid:${last.sid}`)
    t.equal(here.log.filter(({ event }) => event.startsWith('signal.')).length, before + 1)
    for (const client of quiet.clients) {
      client.send({ type: 'ping' })
      t.match(await client.next(), { type: 'pong' })
    }
  })
})
