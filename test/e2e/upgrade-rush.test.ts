import t, { type Test } from 'tap'
import { freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { freshMetrics } from '../support/metrics.js'
import { openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** Opens one socket from an address of its own; resolves with the status, 0 where the connection ended without one. */
async function knock (t: Test, gateway: TestGateway, token: string): Promise<number> {
  const raw = await openRaw(t, gateway.port, freshAddress())
  raw.write(upgradeHead(`/ws?token=${token}`))
  const response = await readResponse(raw)
  if (response?.status !== 101) raw.socket.destroy()
  return response?.status ?? 0
}

const countOf = (statuses: readonly number[], status: number): number => statuses.filter(one => one === status).length

t.test('of 900 who come at once to an idle process the line refuses nobody, however long it takes this machine', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const tokens = Array.from({ length: 900 }, (_, n) => issuer.sign({ sub: `u${n}` }))
  const statuses = await Promise.all(tokens.map(async token => await knock(t, gateway, token)))
  const reasons = gateway.log.filter(({ event }) => event === 'connection.refused').map(({ detail }) => detail)
  // A machine that is late has words of its own: an event loop half a second behind, an upgrade at its deadline.
  t.same(reasons.filter(reason => reason === 'upgrade rate' || reason === 'pending upgrades'), [])
  t.equal(countOf(statuses, 101) + reasons.length, 900)
  t.ok(countOf(statuses, 101) > 0)
})

t.test('more than a process can take is refused early: each is answered, nothing is kept of the refused, and then all is well', async (t) => {
  // P-521 is verified at some hundred a second, so that a test can offer more than that.
  const [issuer, redis] = await Promise.all([startIssuer(t, { algorithm: 'ES512' }), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), JWT_ALGORITHMS: 'ES512', REDIS_URL: redis.url, WS_MAX_PENDING_UPGRADES: '100' })
  const tokens = Array.from({ length: 1500 }, (_, n) => issuer.sign({ sub: `u${n}` }))
  const statuses: number[] = []
  const comers = Array.from({ length: 300 }, async () => {
    for (let token = tokens.pop(); token !== undefined; token = tokens.pop()) statuses.push(await knock(t, gateway, token))
  })
  await Promise.all(comers)
  const [accepted, refused] = [countOf(statuses, 101), countOf(statuses, 503)]
  t.equal(accepted + refused, 1500, 'each is answered')
  t.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`)
  const early = gateway.log.filter(({ event, reason }) => event === 'connection.refused' && reason === 'overloaded')
  const reasons = new Set(early.map(({ detail }) => detail))
  // A machine whose event loop is half a second late has a gate of its own, before the line.
  t.ok(reasons.has('upgrade rate') || reasons.has('event loop'), 'the log says why')
  t.same([...reasons].filter(reason => !['upgrade rate', 'pending upgrades', 'event loop'].includes(String(reason))), [])
  t.match(await freshMetrics(gateway.admin), new RegExp(`^portcullis_connections ${accepted}$`, 'm'))
  const leases = async (): Promise<number> => (await redis.client.keys('ws:ratelimit:user:*')).length
  t.equal(await leases(), accepted, 'no lease of one that was refused')
  await until('the line is gone', async () => await knock(t, gateway, issuer.sign({ sub: 'late' })) === 101)
})
