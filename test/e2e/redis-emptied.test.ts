// Redis goes for a moment in which nobody asks it anything, and comes back empty.
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const LIMIT = 4

t.test('an address that has used its window has none more after Redis was restarted and is empty', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  // Leases are renewed each third of an hour: no renewal finds out by accident.
  const gateway = await startGateway(t, {
    ...trust(issuer), REDIS_URL: redis.url, WS_IP_CONNECTIONS: String(LIMIT), WS_IP_WINDOW_S: '600', WS_USER_LEASE_S: '3600'
  })
  const from = freshAddress()
  for (let n = 0; n < LIMIT; n++) await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `user-${n}` })}`, { from })
  await redis.restart()
  t.equal(await redis.client.exists(`ws:ratelimit:ip:${from}`), 0)
  await until('it has Redis again', async () => await readMetric(gateway, 'portcullis_redis_up') === 1)
  const { status, body } = await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'late' })}`, { from })
  t.match([status, body], [429, { error: 'ip_rate_limited' }])
  t.ok(Number(body['retry_after_s']) <= 600)
  await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'other' })}`, { from: freshAddress() })
})
