import { randomUUID } from 'node:crypto'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const SECRET = 'Bearer of-the-stream'

function eventToken (issuer: TestIssuer, events: Record<string, unknown>, claims: Record<string, unknown> = {}): string {
  const standard = { aud: 'receiver/1', jti: randomUUID(), sub: undefined, exp: undefined, events }
  return issuer.sign({ ...standard, ...claims }, { header: { typ: 'secevent+jwt' } })
}

async function push (gateway: TestGateway, token: string | Buffer, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(`http://127.0.0.1:${gateway.port}/ssf/events`, {
    method: 'POST', body: token, headers: { 'content-type': 'application/secevent+jwt', authorization: SECRET, ...headers }
  })
}

t.test('signals end what they name, and are answered as RFC 8935 has it', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), SSF_AUDIENCE: 'receiver/1', SSF_AUTHORIZATION: SECRET, WS_IP_CONNECTIONS: '100' })
  const user = { format: 'iss_sub', iss: issuer.issuer, sub: 'alice' }
  const join = async (claims: Record<string, unknown>) => await connect(t, gateway, `/ws?token=${issuer.sign(claims)}`, { from: freshAddress() })

  await t.test('a session', async (t) => {
    const [one, two] = [await join({ sid: 's1' }), await join({ sid: 's2' })]
    const answer = await push(gateway, eventToken(issuer, { [`${CAEP}session-revoked`]: {} }, { sub_id: { format: 'complex', user, session: { format: 'opaque', id: 's1' } } }))
    t.equal(answer.status, 202)
    t.equal(await answer.text(), '')
    t.match(await one.closed, { code: 4401 })
    two.send({ type: 'ping' })
    await two.nextOf('pong')
    t.match(await gateway.waitForLog('signal.heard'), { target: 'sid:s1', outcome: 'kept' })
  })

  await t.test('a user, up to when it happened', async (t) => {
    const nowS = Math.floor(Date.now() / 1000)
    const [before, after] = [await join({ iat: nowS - 60 }), await join({ iat: nowS - 10 })]
    const token = eventToken(issuer, { [`${CAEP}credential-change`]: { event_timestamp: nowS - 30 } }, { sub_id: user })
    t.equal((await push(gateway, token)).status, 202)
    t.match(await before.closed, { code: 4401 })
    after.send({ type: 'ping' })
    await after.nextOf('pong')
    t.equal((await push(gateway, token)).status, 202)
    t.match(await gateway.waitForLog('signal.heard', line => line['outcome'] === 'repeated'), { target: 'sub:alice' })
  })

  await t.test('what orders nothing is acknowledged and told', async (t) => {
    t.equal((await push(gateway, eventToken(issuer, { [`${CAEP}device-compliance-change`]: {} }, { sub_id: user }))).status, 202)
    t.match(await gateway.waitForLog('signal.heard', line => line['detail'] !== undefined), { detail: `event_unknown "${CAEP}device-compliance-change"` })
  })

  await t.test('refusals', async (t) => {
    const good = eventToken(issuer, { [`${CAEP}session-revoked`]: {} }, { sub_id: user })
    const cases: ReadonlyArray<readonly [string, string | Buffer, Record<string, string>?]> = [
      ['authentication_failed', good, { authorization: 'Bearer other' }],
      ['invalid_request', good, { 'content-type': 'application/json' }],
      ['invalid_request', 'noise'],
      ['invalid_request', Buffer.from([0xff])],
      ['invalid_audience', eventToken(issuer, { [`${CAEP}session-revoked`]: {} }, { sub_id: user, aud: 'receiver/2' })],
      ['invalid_issuer', eventToken(issuer, { [`${CAEP}session-revoked`]: {} }, { sub_id: user, iss: 'https://other.example' })],
      ['invalid_key', `${good.slice(0, -8)}AAAAAAAA`],
      ['invalid_request', issuer.sign({ aud: 'receiver/1', jti: 'j', events: {} })]
    ]
    const answers = await Promise.all(cases.map(async ([, token, headers]) => await push(gateway, token, headers)))
    t.same(answers.map(({ status }) => status), cases.map(() => 400))
    t.same(answers.map(({ headers }) => [headers.get('content-type'), headers.get('content-language')]), cases.map(() => ['application/json; charset=utf-8', 'en']))
    const bodies = await Promise.all(answers.map(async answer => await answer.json() as { err: string, description: string }))
    t.same(bodies.map(({ err }) => err), cases.map(([err]) => err))
    t.same(bodies.filter(({ description }) => description === ''), [])
  })
})

t.test('without an audience there is no receiver', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  t.equal((await push(gateway, 'x')).status, 404)
})
