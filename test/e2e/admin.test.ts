import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'

t.test('orders of operators reach every process', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const env = { ...trust(issuer), REDIS_URL: redis.url, ADMIN_TOKEN, WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100' }
  const [here, there] = await Promise.all([startGateway(t, env), startGateway(t, env)])
  const order = async (method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Response> =>
    await here.admin(path, { method, headers: { Authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const open = async (where: typeof here, token: string, from = freshAddress()): ReturnType<typeof connect> => {
    const client = await connect(t, where, `/ws?token=${token}`, { from })
    await client.nextOf('welcome')
    return client
  }

  await t.test('nothing is done without the secret', async (t) => {
    t.equal((await order('DELETE', '/v1/users/alice/connections', undefined, 'wrong')).status, 401)
    t.equal((await here.admin('/v1/connections?user_id=alice')).status, 401)
  })

  await t.test('the list names the connections of a user on all processes', async (t) => {
    const token = issuer.sign({ sub: 'lister' })
    await open(here, token)
    await open(there, token)
    const { connections } = await (await order('GET', '/v1/connections?user_id=lister')).json() as { connections: Array<Record<string, unknown>> }
    t.equal(connections.length, 2)
    t.equal(new Set(connections.map(one => one['node'])).size, 2)
    t.match(connections[0], { user_id: 'lister', ip: /^127\.77\./, path: '/ws', connection_id: /./, opened_at: /T/ })
  })

  await t.test('disconnecting a user ends its connections everywhere, and nobody else\'s', async (t) => {
    const [first, second, other] = [await open(here, issuer.sign({ sub: 'alice' })), await open(there, issuer.sign({ sub: 'alice' })), await open(there, issuer.sign({ sub: 'bob' }))]
    t.equal((await order('DELETE', '/v1/users/alice/connections')).status, 204)
    for (const client of [first, second]) t.same(await client.closed, { code: 4403, reason: '{"error":"disconnected"}' })
    other.send({ type: 'ping' })
    t.equal((await other.next()).type, 'pong')
  })

  for (const [kind, claims] of [['jti', { jti: 'token-1' }], ['sid', { sid: 'session-1' }], ['sub', {}]] as const) {
    await t.test(`revoking by ${kind} ends connections everywhere and refuses the token from then on`, async (t) => {
      const sub = `revoked-${kind}`
      const token = issuer.sign({ sub, ...claims })
      const clients = [await open(here, token), await open(there, token)]
      t.equal((await order('POST', '/v1/revocations', { [kind]: Object.values(claims)[0] ?? sub })).status, 204)
      for (const client of clients) t.same(await client.closed, { code: 4401, reason: '{"error":"revoked"}' })
      for (const where of [here, there]) {
        const refused = await connectRefused(t, where, `/ws?token=${token}`, { from: freshAddress() })
        t.equal(refused.status, 401)
        t.equal(refused.body['error'], 'revoked')
      }
    })
  }

  await t.test('a process started later knows what was revoked before', async (t) => {
    const later = await startGateway(t, env)
    const refused = await connectRefused(t, later, `/ws?token=${issuer.sign({ sub: 'x', jti: 'token-1' })}`, { from: freshAddress() })
    t.equal(refused.body['error'], 'revoked')
  })

  await t.test('a ban ends what the address has open, and refuses it until it is lifted', async (t) => {
    const from = freshAddress()
    const client = await open(there, issuer.sign({ sub: 'banned' }), from)
    t.equal((await order('PUT', `/v1/bans/${from}`, { seconds: 60 })).status, 204)
    t.match(await client.closed, { code: 4403, reason: /"banned"/ })
    const refused = await connectRefused(t, there, '/ws', { from })
    t.equal(refused.status, 403)
    t.equal(refused.body['error'], 'banned')
    t.ok(Number(refused.headers['retry-after']) > 0)
    t.ok(await redis.client.pttl(`ws:ban:${from}`) > 0)
    t.equal((await order('DELETE', `/v1/bans/${from}`)).status, 204)
    const again = await connectRefused(t, here, '/ws', { from })
    t.equal(again.body['error'], 'missing_token')
  })

  await t.test('an order that Redis cannot keep is 503, and malformed ones are 400', async (t) => {
    t.equal((await order('POST', '/v1/revocations', { jti: 'a', sub: 'b' })).status, 400)
    t.equal((await order('PUT', '/v1/bans/nowhere', { seconds: 1 })).status, 400)
    redis.pause()
    t.teardown(() => { redis.resume() })
    const answer = await order('POST', '/v1/revocations', { jti: 'lost' })
    t.equal(answer.status, 503)
  })
})
