import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'

t.test('a process that was frozen, and comes back with orders that were taken back meanwhile, brings none of them back', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const env = { ...trust(issuer), REDIS_URL: redis.url, ADMIN_TOKEN }
  const [here, frozen] = await Promise.all([startGateway(t, env), startGateway(t, env)])
  const order = async (method: string, path: string, body?: unknown): Promise<void> => {
    const { status } = await here.admin(path, { method, headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    t.equal(status, 204, `${method} ${path}`)
  }
  const address = freshAddress()
  const token = issuer.sign({ sub: 'alice', jti: 'token-1' })
  const refusedAs = async (where: typeof here, path: string, from: string): Promise<unknown> => (await connectRefused(t, where, path, { from })).body['error']

  await order('PUT', `/v1/bans/${address}`, { seconds: 600 })
  await order('POST', '/v1/revocations', { jti: 'token-1' })
  await frozen.waitForLog('control.order', ({ order }) => order === 'revoke')
  await until('it knows both', async () => await refusedAs(frozen, '/ws', address) === 'banned' && await refusedAs(frozen, `/ws?token=${token}`, freshAddress()) === 'revoked')

  frozen.signal('SIGSTOP')
  await order('DELETE', `/v1/bans/${address}`)
  await order('DELETE', '/v1/revocations', { jti: 'token-1' })
  await order('PUT', '/v1/bans/198.51.100.7', { seconds: 600 })
  // It hears nothing of what was said meanwhile, and Redis forgets all but the takings back.
  await redis.client.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await redis.client.del('ws:bans', 'ws:revocations')
  frozen.signal('SIGCONT')

  await until('it lets her in', async () => {
    const client = await connect(t, frozen, `/ws?token=${token}`, { from: address }).catch(() => null)
    client?.socket.terminate()
    return client !== null
  })
  await until('what stands is written back', async () => await redis.client.zscore('ws:bans', '198.51.100.7') !== null)
  t.same(await redis.client.zscore('ws:bans', address), null)
  await (await connect(t, here, `/ws?token=${token}`, { from: address })).nextOf('welcome')
  t.match(here.log.filter(({ event }) => event === 'fault'), [])
})
