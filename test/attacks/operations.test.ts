import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import t from 'tap'
import { createAuthenticator } from '../../src/http/auth.js'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange } from '../support/raw-socket.js'
import { freshMetrics } from '../support/metrics.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

t.test('a secret is compared in constant time only, by digests of one length, whatever was sent', async (t) => {
  const compared: Array<readonly [number, number]> = []
  const { timingSafeEqual } = crypto
  crypto.timingSafeEqual = (a, b) => {
    compared.push([a.byteLength, b.byteLength])
    return timingSafeEqual(a, b)
  }
  // Modules that imported it by name see the change after this.
  syncBuiltinESMExports()
  t.teardown(() => {
    crypto.timingSafeEqual = timingSafeEqual
    syncBuiltinESMExports()
  })
  const authenticate = createAuthenticator([ADMIN_TOKEN])
  const sent = ['', 'a', ADMIN_TOKEN.slice(0, -1), `${ADMIN_TOKEN}x`, ADMIN_TOKEN, 'x'.repeat(100_000)]
  t.same(sent.map(authenticate), ['wrong', 'wrong', 'wrong', 'wrong', 'ok', 'wrong'])
  t.same(compared, sent.map(() => [32, 32]))
})

t.test('what is for operators and back ends', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ADMIN_TOKEN, PUBLISH_KEY })
  const onMain = async (request: string): Promise<number | undefined> => (await exchange(t, gateway, request, freshAddress()))?.status

  await t.test('is not on the main port, with whatever secret', async (t) => {
    const paths = ['/metrics', '/healthz', '/readyz', '/v1/connections?user_id=alice', '/v1/revocations', '/v1/bans/192.0.2.1', '/v1/users/alice/connections', '/dev/token', '/dev/jwks.json', '/dev/console.json', '/']
    for (const path of paths) {
      for (const method of ['GET', 'DELETE', 'PUT']) {
        t.equal(await onMain(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ADMIN_TOKEN}\r\nContent-Length: 0\r\n\r\n`), 404, `${method} ${path}`)
      }
    }
  })

  await t.test('takes no other secret, and not the one of the other', async (t) => {
    const { sub, ...wrong } = { sub: issuer.sign(), none: '', publish: PUBLISH_KEY, part: ADMIN_TOKEN.slice(0, -1), more: `${ADMIN_TOKEN}x` }
    for (const secret of [sub, ...Object.values(wrong)]) {
      const answer = await gateway.admin('/v1/connections?user_id=alice', { headers: { Authorization: `Bearer ${secret}` } })
      t.equal(answer.status, 401)
      t.notMatch(await answer.text(), new RegExp(ADMIN_TOKEN))
    }
    t.equal((await gateway.admin('/v1/publish', { method: 'POST', headers: { 'X-Publish-Key': ADMIN_TOKEN }, body: '{"topic":"agent:a1","event":"e","data":1}' })).status, 401)
  })

  await t.test('is counted under labels that no client can add to', async (t) => {
    const seriesIn = async (): Promise<string[]> => (await freshMetrics(gateway.admin)).split('\n')
      .filter(line => line.startsWith('portcullis_')).map(line => line.slice(0, line.lastIndexOf(' '))).toSorted()
    const before = await seriesIn()
    for (const code of [1000, 1001, 3000, 3999, 4000, 4444, 4999]) {
      const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `user-${code}` })}`, { from: freshAddress() })
      client.socket.close(code, 'x"} 1\n')
      await client.closed
    }
    for (const path of ['/a', '/b', '/ws?agent_ids=', '/ws?refuse=x', '/ws?token=x']) await exchange(t, gateway, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`, freshAddress())
    t.same((await seriesIn()).filter(series => !before.includes(series)), [])
  })
})
