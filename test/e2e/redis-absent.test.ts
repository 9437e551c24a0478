import t from 'tap'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { makeCertificate } from '../support/certificate.js'

t.test('a Redis that was never reached is told of before anybody connects, and the process says that it is not ready', async (t) => {
  const [issuer, nobody] = await Promise.all([startIssuer(t), findFreePort()])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: `redis://127.0.0.1:${nobody}` })
  t.match(await gateway.waitForLog('limits.degraded'), { policy: 'local', reason: 'unreachable', detail: 'ECONNREFUSED' })
  t.equal((await gateway.admin('/readyz')).status, 503)
  t.equal(await readMetric(gateway, 'portcullis_ready'), 0)
  t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
})

t.test('why it cannot be reached is said by the code of the system, or of TLS', async (t) => {
  const [issuer, port, { certFile, keyFile }] = await Promise.all([startIssuer(t), findFreePort(), makeCertificate(t)])
  await startRedis(t, { args: ['--tls-port', String(port), '--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-auth-clients', 'no', '--tls-ca-cert-file', certFile] })
  for (const [url, detail] of [
    ['redis://no-such-host.invalid:6379', /^(ENOTFOUND|EAI_AGAIN)$/],
    [`rediss://127.0.0.1:${port}`, /^(DEPTH_ZERO_)?SELF_SIGNED_CERT/]
  ] as const) {
    const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: url })
    t.match(await gateway.waitForLog('limits.degraded'), { reason: 'unreachable', detail }, url)
  }
})
