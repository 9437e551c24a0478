import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'

const LASTS_MS = 20_000
const until = (): Record<string, string> => ({ ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: new Date(Date.now() + LASTS_MS).toISOString() })

async function open (t: Test, gateway: TestGateway, path: string, from = freshAddress()): Promise<TestClient> {
  return await connect(t, gateway, path, { from })
}

t.test('break-glass', async (t) => {
  const issuer = await startIssuer(t)
  const settings = until()
  const gateway = await startGateway(t, { ...trust(issuer), ...settings })
  const anonymous = await open(t, gateway, '/ws')
  const known = await open(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice' })}`)

  await t.test('lets in without a token, as anonymous, and says so on every line', async (t) => {
    const welcome = await anonymous.next()
    t.equal(welcome['user_id'], 'anonymous')
    t.equal(welcome['expires_at'], settings['ALLOW_INSECURE_WS_UNTIL'])
    t.match(await gateway.waitForLog('connection.accepted'), { user_id: 'anonymous', insecure: true })
    t.match(await gateway.waitForLog('insecure.open'), { level: 'warn', insecure: true })
  })

  await t.test('a user with a token is who they are', async (t) => {
    t.equal((await known.next())['user_id'], 'alice')
    t.equal((await gateway.waitForLog('connection.accepted', line => line['user_id'] === 'alice'))['insecure'], undefined)
  })

  await t.test('a token that is proven bad stays 401', async (t) => {
    for (const token of ['noise', issuer.sign({ aud: 'other' }), issuer.sign({ iat: 1, exp: 2 }), issuer.sign({ sub: 'anonymous' })]) {
      t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })).status, 401)
    }
  })

  await t.test('anonymous sees nothing and sends nothing', async (t) => {
    t.equal((await connectRefused(t, gateway, '/ws?agent_ids=a1', { from: freshAddress() })).status, 403)
    const client = await open(t, gateway, '/ws?agent_ids=*')
    t.same((await client.nextOf('subscribed'))['agent_ids'], [])
    client.send({ type: 'send', to: 'agent:a1', data: 1 })
    t.equal((await client.next())['error'], 'forbidden')
  })

  await t.test('limits stay on, and the slots of anonymous count per address', async (t) => {
    const from = freshAddress()
    for (let i = 0; i < 5; i++) await open(t, gateway, '/ws', from)
    t.equal((await connectRefused(t, gateway, '/ws', { from })).body['error'], 'user_connection_limit')
    await open(t, gateway, '/ws')
    for (let i = 0; i < 4; i++) await connectRefused(t, gateway, '/ws', { from })
    t.equal((await connectRefused(t, gateway, '/ws', { from })).body['error'], 'ip_rate_limited')
  })

  await t.test('it ends by itself: anonymous connections close with 4401, nobody comes in, others stay', async (t) => {
    t.equal((await anonymous.closed).code, 4401)
    t.ok(Date.now() >= Date.parse(settings['ALLOW_INSECURE_WS_UNTIL'] ?? '') - 50)
    t.equal((await connectRefused(t, gateway, '/ws', { from: freshAddress() })).body['error'], 'missing_token')
    known.send({ type: 'ping' })
    t.equal((await known.next()).type, 'pong')
  })
})

t.test('in break-glass a token whose issuer is away counts as none', async (t) => {
  const issuer = await startIssuer(t)
  issuer.behave('all', 'drop')
  const gateway = await startGateway(t, { ...trust(issuer), ...until() }, { ready: false })
  const client = await open(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice', agents: '*' })}`)
  t.equal((await client.next())['user_id'], 'anonymous')
})

t.test('a process that starts after the end of break-glass is up, and closed', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: '2020-01-01T00:00:00Z' })
  await gateway.waitForLog('insecure.ended')
  t.equal((await connectRefused(t, gateway, '/ws', { from: freshAddress() })).body['error'], 'missing_token')
})
