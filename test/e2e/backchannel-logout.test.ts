import { randomUUID } from 'node:crypto'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { generateKey, startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const PATH = '/oidc/backchannel-logout'
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'

/** A logout token of a front-end client; `undefined` leaves a claim out. */
function logoutToken (issuer: TestIssuer, claims: Record<string, unknown>, signing: Parameters<TestIssuer['sign']>[1] = {}): string {
  const standard = { aud: 'web', jti: randomUUID(), events: { [EVENT]: {} }, sub: undefined }
  return issuer.sign({ ...standard, ...claims }, { ...signing, header: { typ: 'logout+jwt', ...signing.header } })
}

async function tell (
  gateway: TestGateway, body: string | Buffer | URLSearchParams, headers: Record<string, string> = {}
): Promise<Response> {
  return await fetch(`http://127.0.0.1:${gateway.port}${PATH}`, { method: 'POST', body, headers })
}
const logOut = async (gateway: TestGateway, token: string, headers: Record<string, string> = {}): Promise<number> =>
  (await tell(gateway, new URLSearchParams({ logout_token: token }), headers)).status

/** Two gateways with one Redis. */
async function setStage (t: Test, more: Record<string, string> = {}) {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const settings = { ...trust(issuer), OIDC_LOGOUT_AUDIENCES: 'web', REDIS_URL: redis.url, ADMIN_TOKEN, TRUSTED_PROXIES: '127.0.0.0/8', ...more }
  const gateways = [await startGateway(t, settings), await startGateway(t, settings)] as const
  for (const gateway of gateways) await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const [here, there] = gateways
  const join = async (gateway: TestGateway, claims: Record<string, unknown>) =>
    await connect(t, gateway, `/ws?token=${issuer.sign(claims)}`, { from: freshAddress() })
  return { issuer, redis, here, there, join }
}

t.test('a logout on one process ends that session on all, and no other', async (t) => {
  const { issuer, redis, here, there, join } = await setStage(t)
  const [mine, same, other] = [await join(here, { sid: 's1' }), await join(there, { sid: 's1' }), await join(there, { sid: 's2' })]
  const token = logoutToken(issuer, { sid: 's1' })
  const answer = await tell(here, new URLSearchParams({ logout_token: token, state: 'ignored' }))
  t.equal(answer.status, 200)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(await answer.text(), '')
  t.match(await Promise.all([mine.closed, same.closed]), [{ code: 4401, reason: /revoked/ }, { code: 4401, reason: /revoked/ }])
  other.send({ type: 'ping' })
  await other.nextOf('pong')
  t.equal((await connectRefused(t, there, `/ws?token=${issuer.sign({ sid: 's1' })}`, { from: freshAddress() })).body['error'], 'revoked')
  t.match(await here.waitForLog('logout.heard'), { issuer: 'oidc', target: 'sid:s1', outcome: 'kept' })
  t.ok(await redis.client.pttl('ws:revocations') > 86_000_000, 'kept as long as a token may live')

  await t.test('told again it is 200, and nothing more, on whichever process', async (t) => {
    const lifted = await here.admin('/v1/revocations', { method: 'DELETE', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{"sid":"s1"}' })
    t.equal(lifted.status, 204)
    t.equal(await logOut(there, token), 200)
    t.match(await there.waitForLog('logout.heard'), { outcome: 'repeated' })
    // The other process hears of the lifting a moment after it is answered here.
    await until('it may come in there', async () => await join(there, { sid: 's1' }).then(() => true, () => false))
  })
})

t.test('a user alone means all sessions until that second, and no token after it', async (t) => {
  const { issuer, here, there, join } = await setStage(t)
  const nowS = Math.floor(Date.now() / 1000)
  const [early, exact, bob] = [await join(here, { iat: nowS - 60, sid: 'a' }), await join(there, { iat: nowS - 1, sid: 'b' }), await join(here, { sub: 'bob' })]
  t.equal(await logOut(there, logoutToken(issuer, { sub: 'alice', iat: nowS - 1 })), 200)
  t.match(await Promise.all([early.closed, exact.closed]), [{ code: 4401 }, { code: 4401 }])
  bob.send({ type: 'ping' })
  await bob.nextOf('pong')
  await join(here, { iat: nowS })
})

t.test('what is no good logout token ends nothing, is told so, and its cause is in the log', async (t) => {
  const { issuer, here, join } = await setStage(t)
  const client = await join(here, { sid: 's1' })
  const bad: ReadonlyArray<readonly [string, string | URLSearchParams, Record<string, string>?]> = [
    ['audience', new URLSearchParams({ logout_token: logoutToken(issuer, { sid: 's1', aud: 'mobile' }) })],
    ['header_type', new URLSearchParams({ logout_token: logoutToken(issuer, { sid: 's1' }, { header: { typ: 'at+jwt' } }) })],
    ['events', new URLSearchParams({ logout_token: issuer.sign({ sid: 's1', aud: 'web' }) })],
    ['signature', new URLSearchParams({ logout_token: `${logoutToken(issuer, { sid: 's1' }).slice(0, -8)}AAAAAAAA` })],
    ['form', new URLSearchParams({ other: 'x' })],
    ['form', `logout_token=${logoutToken(issuer, { sid: 's1' })}&logout_token=x`, { 'content-type': 'application/x-www-form-urlencoded' }],
    ['content_type', JSON.stringify({ logout_token: logoutToken(issuer, { sid: 's1' }) }), { 'content-type': 'application/json' }],
    ['format', new URLSearchParams({ logout_token: '' })]
  ]
  for (const [reason, body, headers] of bad) {
    const answer = await tell(here, body, { ...headers, 'x-forwarded-for': `203.0.113.${bad.findIndex(each => each[1] === body) + 1}` })
    t.equal(answer.status, 400, reason)
    t.same(await answer.json(), { error: 'invalid_request' })
    await here.waitForLog('logout.refused', line => line['reason'] === reason)
  }
  t.match(here.log.find(line => line['reason'] === 'audience'), { detail: 'aud is "mobile"; OIDC_LOGOUT_AUDIENCES is "web"' })
  const unreadable = async (status: number, body: string | Buffer): Promise<void> => {
    const answer = await tell(here, body, { 'x-forwarded-for': `203.0.114.${status % 256}` })
    t.equal(answer.status, status)
    if (status === 400) t.same(await answer.json(), { error: 'invalid_request' })
    t.match(await here.waitForLog('logout.refused', line => line['detail'] === `HTTP ${status}`), { reason: 'body' })
  }
  await unreadable(413, 'x'.repeat(16_385))
  await unreadable(400, Buffer.concat([Buffer.from('logout_token='), Buffer.from([0xff, 0xfe])]))
  client.send({ type: 'ping' })
  await client.nextOf('pong')
  const asAccess = logoutToken(issuer, { sub: 'alice', aud: issuer.audience, scope: 'ws:send' }, { header: { typ: 'JWT' } })
  const refused = await connectRefused(t, here, `/ws?token=${asAccess}`, { from: freshAddress() })
  t.equal(refused.body['error'], 'invalid_token', 'and no logout token opens a connection')
})

t.test('while Redis is away it counts here at once, and everywhere as soon as Redis is back', async (t) => {
  for (const away of ['stop', 'pause'] as const) {
    await t.test(away, async (t) => {
      const { issuer, redis, here, there, join } = await setStage(t)
      const [mine, theirs] = [await join(here, { sid: 's1' }), await join(there, { sid: 's1' })]
      await redis[away]()
      const askedAtMs = performance.now()
      t.equal(await logOut(here, logoutToken(issuer, { sid: 's1' })), 503)
      t.ok(performance.now() - askedAtMs < 1000, 'answered within a second')
      t.match(await mine.closed, { code: 4401 })
      if (away === 'stop') await redis.restart()
      else redis.resume()
      t.match(await theirs.closed, { code: 4401 })
      await until('Redis keeps it', async () => (await redis.client.zrange('ws:revocations', '0', '-1')).some(member => member.includes('"s1"')))
    })
  }
})

t.test('a token by a key that is not fetched yet is heard at once, beside the cooldown', async (t) => {
  const { issuer, here, join } = await setStage(t)
  const client = await join(here, { sid: 's1' })
  issuer.addKey()
  t.equal(await logOut(here, logoutToken(issuer, { sid: 's1' })), 200)
  t.match(await client.closed, { code: 4401 })
})

t.test('while its key cannot be had it is kept, and counts once the key comes', async (t) => {
  const { issuer, here, join } = await setStage(t, { JWKS_TIMEOUT_MS: '1500' })
  const client = await join(here, { sid: 's1' })
  issuer.addKey()
  issuer.behave('jwks', 'hang')
  const askedAtMs = performance.now()
  t.equal(await logOut(here, logoutToken(issuer, { sid: 's1' })), 503)
  t.ok(performance.now() - askedAtMs < 1000, 'answered within a second')
  await here.waitForLog('logout.waiting')
  issuer.behave('jwks', 'normal')
  t.match(await client.closed, { code: 4401 })
  t.match(await here.waitForLog('logout.heard'), { target: 'sid:s1', outcome: 'kept' })
})

t.test('a flood of made-up tokens costs its address attempts, and the issuer few requests; a good one is heard in its midst', async (t) => {
  const { issuer, here, join } = await setStage(t)
  const client = await join(here, { sid: 's1' })
  const from = { 'x-forwarded-for': '203.0.113.9' }
  const before = issuer.requests.jwks
  const forger = generateKey('RS256', 'made-up')
  const forged = Array.from({ length: 60 }, (_, n) => logoutToken(issuer, { sid: 's1' }, { key: n % 2 === 0 ? { ...forger, kid: 'key-1' } : forger }))
  const statuses = await Promise.all(forged.map(async token => await logOut(here, token, from)))
  t.same(new Set(statuses).has(429), true, 'over its limit')
  t.ok(issuer.requests.jwks - before <= 2, 'at most one fetch in 5 s')
  t.equal((await connectRefused(t, here, `/ws?token=${issuer.sign()}`, { headers: from })).status, 429, 'as with bad access tokens')
  t.equal(await logOut(here, logoutToken(issuer, { sid: 's1' }), from), 200)
  t.match(await client.closed, { code: 4401 })
})

t.test('bodies that cannot be read cost their address attempts', async (t) => {
  const { here } = await setStage(t, { WS_IP_CONNECTIONS: '3' })
  const headers = { 'x-forwarded-for': '203.0.113.8' }
  for (const [body, status] of [['x'.repeat(16_385), 413], [Buffer.from([0xff]), 400], ['x'.repeat(16_385), 413], [Buffer.from([0xff]), 429], ['x'.repeat(16_385), 429]] as const) {
    t.equal((await tell(here, body, headers)).status, status)
  }
})

t.test('in a dry run nobody is refused for the limit, however many tokens are bad', async (t) => {
  const { issuer, here } = await setStage(t, { WS_LIMITS_MODE: 'dry-run', WS_IP_CONNECTIONS: '1' })
  const from = { 'x-forwarded-for': '203.0.113.7' }
  const statuses: number[] = []
  for (let n = 0; n < 3; n++) statuses.push(await logOut(here, logoutToken(issuer, { sid: 's1', aud: 'mobile' }), from))
  t.same(statuses, [400, 400, 400])
})

t.test('turned off it is not there, and a Keycloak without a list is warned of', async (t) => {
  const issuer = await startIssuer(t, { preset: 'keycloak' })
  const keycloak = { KEYCLOAK_URL: issuer.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'portcullis' }
  const [off, silent] = await Promise.all([startGateway(t, { ...keycloak, OIDC_BACKCHANNEL_LOGOUT: 'false' }), startGateway(t, keycloak)])
  t.equal(await logOut(off, 'x'), 404)
  t.equal(await logOut(silent, 'x'), 400)
  t.match(await silent.waitForLog('logout.unheard'), { issuer: 'keycloak', reason: /OIDC_LOGOUT_AUDIENCES is unset/ })
  t.equal(off.log.some(line => line.event === 'logout.unheard'), false)
})
