import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { HANG_MS } from '../support/until.js'

type T = Test
const nowS = (): number => Math.floor(Date.now() / 1000)

t.test('refresh', async (t) => {
  const [issuer, second] = await Promise.all([startIssuer(t), startIssuer(t)])
  const further = [{ name: 'second', issuer: second.issuer, audience: second.audience, jwks_uri: second.jwksUri }]
  const gateway = await startGateway(t, { ...trust(issuer), ISSUERS: JSON.stringify(further), WS_ACCESS_ISSUER: 'oidc' })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'second')
  let users = 0
  async function open (t: T): Promise<{ client: TestClient, sub: string }> {
    const sub = `user-${++users}`
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub })}`, { from: freshAddress() })
    await client.next()
    return { client, sub }
  }

  await t.test('with several issuers a user carries the name of theirs', async (t) => {
    const ids = await Promise.all([issuer, second].map(async (from) => {
      const client = await connect(t, gateway, `/ws?token=${from.sign({ sub: 'same' })}`, { from: freshAddress() })
      return (await client.next())['user_id']
    }))
    t.same(ids, ['oidc:same', 'second:same'])
  })

  await t.test('a new token of the same user and issuer is taken, and its end counts', async (t) => {
    const { client, sub } = await open(t)
    const exp = nowS() + 1234
    client.send({ type: 'refresh', id: 'r1', token: issuer.sign({ sub, exp }) })
    t.same(await client.next(), { type: 'refreshed', id: 'r1', expires_at: new Date(exp * 1000).toISOString() })
    client.send({ type: 'ping' })
    t.equal((await client.next()).type, 'pong')
  })

  const past = nowS() - 3600
  const wrong: ReadonlyArray<readonly [string, string, (sub: string) => string]> = [
    ['a token of another user', 'invalid_token', () => issuer.sign({ sub: 'mallory' })],
    ['a token of another issuer for the same sub', 'invalid_token', sub => second.sign({ sub })],
    ['an expired token', 'expired_token', sub => issuer.sign({ sub, iat: past - 60, exp: past })],
    ['a token for another audience', 'invalid_token', sub => issuer.sign({ sub, aud: 'other' })],
    ['a token with another key\'s signature', 'invalid_token', sub => second.sign({ sub, iss: issuer.issuer, aud: issuer.audience }, { header: { kid: issuer.newestKey().kid } })],
    ['garbage', 'invalid_token', () => 'garbage']
  ]
  for (const [what, name, make] of wrong) {
    await t.test(`${what} ends the connection with 4401 ${name}`, async (t) => {
      const { client, sub } = await open(t)
      client.send({ type: 'refresh', token: make(sub) })
      t.same(await client.closed, { code: 4401, reason: `{"error":"${name}"}` })
    })
  }
})

t.test('a token under a key that is not fetched yet is told to wait, and the old one stays in force', async (t) => {
  const issuer = await startIssuer(t)
  // Asked for at the start, and not to be asked for again.
  const gateway = await startGateway(t, { ...trust(issuer), JWKS_COOLDOWN_S: '86400' })
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice' })}`, { from: freshAddress() })
  await client.nextOf('welcome')
  client.send({ type: 'refresh', id: 'r1', token: issuer.sign({ sub: 'alice' }, { header: { kid: 'new' } }) })
  const told = await client.next()
  t.match(told, { type: 'error', id: 'r1', error: 'unavailable' })
  t.ok(Number(told['retry_after_ms']) > 0 && Number(told['retry_after_ms']) <= 86_400_000, String(told['retry_after_ms']))
  client.send({ type: 'ping' })
  t.equal((await client.next()).type, 'pong')
})

t.test('the end of a token', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), JWT_CLOCK_TOLERANCE_S: '0' })

  await t.test('is announced when under 30 s are left, and closes with 4401', async (t) => {
    const exp = nowS() + 3
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ exp })}`, { from: freshAddress() })
    const expiresAt = new Date(exp * 1000).toISOString()
    t.equal((await client.next())['expires_at'], expiresAt)
    t.same(await client.next(), { type: 'expiring', expires_at: expiresAt })
    t.same(await client.closed, { code: 4401, reason: '{"error":"expired_token"}' })
    const lateMs = Date.now() - exp * 1000
    t.ok(lateMs >= -50 && lateMs < HANG_MS, `${lateMs} ms after it`)
  })

  await t.test('is put off by a refresh', async (t) => {
    const exp = nowS() + 3
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob', exp })}`, { from: freshAddress() })
    await client.nextOf('expiring')
    client.send({ type: 'refresh', token: issuer.sign({ sub: 'bob', exp: exp + 300 }) })
    t.equal((await client.next()).type, 'refreshed')
    const other = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'carol', exp: exp + 1 })}`, { from: freshAddress() })
    t.equal((await other.closed).code, 4401, 'a second after the first token ended')
    client.send({ type: 'ping' })
    t.equal((await client.next()).type, 'pong')
  })
})
