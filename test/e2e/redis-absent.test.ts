import t from 'tap'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'

t.test('a Redis that was never reached is told of before anybody connects, and the process says that it is not ready', async (t) => {
  const [issuer, nobody] = await Promise.all([startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: `redis://127.0.0.1:${nobody}` })
  t.match(await gateway.waitForLog('limits.degraded'), { policy: 'local', reason: 'unreachable' })
  t.equal((await gateway.admin('/readyz')).status, 503)
  t.equal(await readMetric(gateway, 'portcullis_ready'), 0)
  t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
})
