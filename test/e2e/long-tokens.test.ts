import t from 'tap'
import { freshAddress, connect } from '../support/client.js'
import { NATIVE_ANSWERS } from '../support/binding.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { exchange, openRaw, upgradeHead } from '../support/raw-socket.js'

const LONGEST = 12_000
const issuer = await startIssuer(t)
const gateway = await startGateway(t, trust(issuer))

/** Padding that changes a token's length: its header's and its claims' segments each skip a length in four. */
const HEADER_PADS = ['', 'x', 'xx', 'xxx']

/** A good token of exactly so many characters. */
function signOfLength (length: number): string {
  for (const pad of HEADER_PADS) {
    const rough = issuer.sign({ groups: '' }, { header: { pad } }).length
    const guess = Math.floor((length - rough) * 3 / 4)
    for (const more of [-3, -2, -1, 0, 1, 2, 3]) {
      const token = issuer.sign({ groups: 'g'.repeat(Math.max(0, guess + more)) }, { header: { pad } })
      if (token.length === length) return token
    }
  }
  throw new Error(`no token has ${length} characters`)
}

type Carry = (token: string) => Promise<{ readonly status: number | null, readonly error: string, readonly from: string }>

/** Sends one request from an address of its own. */
async function send (head: string): ReturnType<Carry> {
  const from = freshAddress()
  const answer = await exchange(t, gateway, head, from)
  const error = answer === null || answer.status < 400 || answer.body === '' ? '' : (JSON.parse(answer.body) as { error: string }).error
  return { status: answer?.status ?? null, error, from }
}

const askTicket: Carry = async token => {
  const head = `POST /v1/tickets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`
  return await send(head)
}

/** Each carrier, and what it answers to a token that counts. */
const CARRIERS: ReadonlyArray<readonly [string, number, Carry]> = [
  ['the query', 101, async token => await send(upgradeHead(`/ws?token=${token}`))],
  ['Authorization', 101, async token => await send(upgradeHead('/ws', { Authorization: `Bearer ${token}` }))],
  ['Sec-WebSocket-Protocol', 101, async token => await send(upgradeHead('/ws', { 'Sec-WebSocket-Protocol': `portcullis.v1, bearer.${token}` }))],
  ['the request for a ticket', 201, askTicket]
]

t.test('a token of 12,000 characters counts by every carrier', async (t) => {
  const token = signOfLength(LONGEST)
  t.equal(token.length, LONGEST)
  const statuses = await Promise.all(CARRIERS.map(async ([carrier, , carry]) => [carrier, (await carry(token)).status]))
  t.same(statuses, CARRIERS.map(([carrier, good]) => [carrier, good]))
})

t.test('one of 12,001 is 401 invalid_token by every carrier, and the log has both lengths', async (t) => {
  const token = signOfLength(LONGEST + 1)
  const answers = await Promise.all(CARRIERS.map(async ([carrier, , carry]) => ({ carrier, ...await carry(token) })))
  t.same(answers.map(({ carrier, status, error }) => [carrier, status, error]), CARRIERS.map(([carrier]) => [carrier, 401, 'invalid_token']))
  for (const { from } of answers) {
    const line = await gateway.waitForLog('connection.refused', ({ ip }) => ip === from)
    t.equal(line['detail'], 'too_long: 12001 characters, at most 12000')
  }
})

t.test('a connection takes the longest as its next token, and one that is longer leaves the old one in force', async (t) => {
  const client = await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${issuer.sign()}` } })
  client.send({ type: 'refresh', id: 'long', token: signOfLength(LONGEST) })
  t.match(await client.nextOf('refreshed'), { id: 'long' })
  client.send({ type: 'refresh', id: 'longer', token: signOfLength(LONGEST + 1) })
  t.match(await client.nextOf('error'), { id: 'longer', error: 'invalid_token' })
  client.send({ type: 'ping', id: 'still' })
  t.match(await client.nextOf('pong'), { id: 'still' })
})

t.test('a ticket for the longest token opens a connection, by a head that is short', async (t) => {
  const from = freshAddress()
  const raw = await openRaw(t, gateway.port, from)
  raw.write(`POST /v1/tickets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${signOfLength(LONGEST)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  await raw.closed
  const ticket = /"ticket":"([^"]+)"/.exec(raw.received())?.[1] ?? ''
  t.ok(ticket.length > 0 && ticket.length < 256, `${ticket.length} characters`)
  t.equal((await exchange(t, gateway, upgradeHead(`/ws?ticket=${ticket}`), from))?.status, 101)
})

t.test('the same long token in two places is a head over 16 KB; a cookie and a first message are no carriers', async (t) => {
  const token = signOfLength(LONGEST)
  const twice = await send(upgradeHead(`/ws?token=${token}`, { Authorization: `Bearer ${token}` }))
  t.equal(twice.status, NATIVE_ANSWERS.headOver16Kb.status)
  const cookie = await send(upgradeHead('/ws', { Cookie: `token=${token}` }))
  t.same([cookie.status, cookie.error], [401, 'missing_token'], 'a message would come after the upgrade, which is refused')
})
