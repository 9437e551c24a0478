import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

t.test('refuse=close accepts and closes at once where a browser could not read the status', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const past = Math.floor(Date.now() / 1000) - 3600
  const cases: ReadonlyArray<readonly [string, string, number]> = [
    ['missing_token', '', 4401],
    ['invalid_token', 'token=noise', 4401],
    ['expired_token', `token=${issuer.sign({ iat: past - 60, exp: past })}`, 4401],
    ['forbidden', `token=${issuer.sign({ sub: 'bob', agents: [] })}&agent_ids=a1`, 4403]
  ]
  for (const [name, query, code] of cases) {
    await t.test(`${name} is ${code}`, async (t) => {
      const client = await connect(t, gateway, `/ws?${query}&refuse=close`, { from: freshAddress(), protocols: ['portcullis.v1'] })
      const closed = await client.closed
      t.equal(closed.code, code)
      t.same(JSON.parse(closed.reason), { error: name })
      t.equal(client.protocol, 'portcullis.v1')
      t.same(client.waiting, [], 'no welcome')
    })
  }

  await t.test('a foreign origin is told by HTTP, whatever it wishes', async (t) => {
    const refused = await connectRefused(t, gateway, '/ws?refuse=close', { from: freshAddress(), headers: { Origin: 'https://evil.example' } })
    t.equal(refused.status, 403)
    t.equal(refused.body['error'], 'forbidden')
  })

  await t.test('a user without a free slot is 4429 with the delay', async (t) => {
    const jwt = issuer.sign({ sub: 'crowded' })
    for (let i = 0; i < 5; i++) await (await connect(t, gateway, `/ws?token=${jwt}`, { from: freshAddress() })).next()
    const sixth = await connect(t, gateway, `/ws?token=${jwt}&refuse=close`, { from: freshAddress() })
    const closed = await sixth.closed
    t.equal(closed.code, 4429)
    t.same(JSON.parse(closed.reason), { error: 'user_connection_limit', retry_after_ms: 5000 })
  })

  await t.test('an address over its limit is told so once per window, then by HTTP', async (t) => {
    const from = freshAddress()
    for (let i = 0; i < 10; i++) await (await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `limited-${i}` })}`, { from })).next()
    const closed = await (await connect(t, gateway, '/ws?refuse=close', { from })).closed
    t.equal(closed.code, 4429)
    t.match(JSON.parse(closed.reason), { error: 'ip_rate_limited', retry_after_ms: Number })
    const refused = await connectRefused(t, gateway, '/ws?refuse=close', { from })
    t.equal(refused.status, 429)
  })

  await t.test('400, 404 and 426 stay HTTP', async (t) => {
    t.equal((await connectRefused(t, gateway, '/ws?agent_ids=&refuse=close', { from: freshAddress() })).status, 400)
    t.equal((await connectRefused(t, gateway, '/other?refuse=close', { from: freshAddress() })).status, 404)
    const plain = await fetch(`http://127.0.0.1:${gateway.port}/ws?refuse=close`)
    t.equal(plain.status, 426)
  })

  await t.test('none of them was a connection: no accepted line, refused lines carry the code instead of a status', async (t) => {
    const told = gateway.log.filter(line => line.event === 'connection.refused' && line['code'] !== undefined)
    t.same(told.map(line => line['reason']).sort(), ['expired_token', 'forbidden', 'invalid_token', 'ip_rate_limited', 'missing_token', 'user_connection_limit'])
    t.ok(told.every(line => line['status'] === undefined))
    t.equal(gateway.log.filter(line => line.event === 'connection.accepted').length, 15)
  })
})

t.test('an issuer that is away is 4503 by the deadline', async (t) => {
  const issuer = await startIssuer(t)
  issuer.behave('all', 'hang')
  const gateway = await startGateway(t, { ...trust(issuer), WS_UPGRADE_DEADLINE_MS: '100' }, { ready: false })
  const closed = await (await connect(t, gateway, `/ws?token=${issuer.sign()}&refuse=close`, { from: freshAddress() })).closed
  t.equal(closed.code, 4503)
  t.match(JSON.parse(closed.reason), { error: 'unavailable', retry_after_ms: Number })
})
