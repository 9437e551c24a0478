import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { createDpopClient, type ProofChanges } from '../support/dpop.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startMonitor } from '../support/monitor.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const PUBLIC_URL = 'https://gateway.example'
const TARGET = `${PUBLIC_URL}/v1/tickets`
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PAGE = 'https://app.example'

interface Asked { readonly status: number, readonly body: Record<string, unknown>, readonly headers: Headers }

/** Asks as a client at `from` behind the trusted proxy that the test is. */
async function ask (gateway: TestGateway, headers: Record<string, string>, { from = freshAddress(), method = 'POST' } = {}): Promise<Asked> {
  const answer = await fetch(gateway.url('/v1/tickets').replace(/^ws/, 'http'), { method, headers: { 'X-Forwarded-For': from, ...headers } })
  const text = await answer.text()
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) as Record<string, unknown>, headers: answer.headers }
}

async function take (gateway: TestGateway, token: string, from: string): Promise<string> {
  const { status, body } = await ask(gateway, { Authorization: `Bearer ${token}` }, { from })
  if (status !== 201) throw new Error(`no ticket: ${status} ${String(body['error'])}`)
  return String(body['ticket'])
}

const at = (from: string) => ({ headers: { 'X-Forwarded-For': from } })

async function open (t: Test, gateway: TestGateway, ticket: string, from: string): Promise<Record<string, unknown>> {
  const client = await connect(t, gateway, `/ws?ticket=${ticket}`, at(from))
  return await client.nextOf('welcome')
}

async function refused (t: Test, gateway: TestGateway, query: string, from: string): Promise<string> {
  const { status, body } = await connectRefused(t, gateway, `/ws?${query}`, at(from))
  return `${status} ${String(body['error'])}`
}

const causes = (gateway: TestGateway): unknown[] => gateway.log.filter(({ event }) => event === 'connection.refused').map(({ detail }) => detail)

t.test('a ticket stands for the token, once, from its address, on any process', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const settings = { ...trust(issuer), REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1', ADMIN_TOKEN, PUBLIC_URL, WS_ALLOWED_ORIGINS: PAGE }
  const [one, other] = await Promise.all([startGateway(t, settings), startGateway(t, settings)])
  await until('the key is there', async () => await redis.client.exists('ws:resume-key') === 1)
  const heard = await startMonitor(t, redis.port)
  const gets = (): number => heard.filter(({ args: [command = ''] }) => command.toLowerCase() === 'getdel').length
  const from = freshAddress()

  await t.test('it opens a connection of the token\'s user, with the token\'s end', async (t) => {
    const token = issuer.sign({ sub: 'alice' })
    const { status, body, headers } = await ask(one, { Authorization: `Bearer ${token}` }, { from })
    t.same([status, body['expires_in'], headers.get('cache-control')], [201, 30, 'no-store'])
    const direct = await connect(t, one, `/ws?token=${token}`, at(freshAddress()))
    const welcome = await open(t, other, String(body['ticket']), from)
    t.same([welcome['user_id'], welcome['expires_at']], ['alice', (await direct.nextOf('welcome'))['expires_at']])
    t.equal(await refused(t, one, `ticket=${String(body['ticket'])}`, from), '401 invalid_token')
    await until('the cause is written', () => causes(one).includes('ticket_used'))
    t.equal(await readMetric(other, 'portcullis_tickets_total{outcome="redeemed"}'), 1)
  })

  await t.test('Redis holds neither the token nor the ticket', async (t) => {
    const token = issuer.sign({ sub: 'hidden' })
    const ticket = await take(one, token, freshAddress())
    const values = await Promise.all((await redis.client.keys('ws:ticket:*')).map(async key => `${key} ${await redis.client.get(key) ?? ''}`))
    t.equal(values.length, 1)
    t.notMatch(values.join(), ticket)
    t.notMatch(Buffer.from(values.join().split(' ')[1] ?? '', 'base64url').toString('latin1'), token.slice(0, 40))
    const ttl = await redis.client.pttl((await redis.client.keys('ws:ticket:*'))[0] ?? '')
    t.ok(ttl > 0 && ttl <= 30_000)
    t.notMatch(JSON.stringify(one.log), token)
  })

  await t.test('from another address, made up, or beside a token it opens nothing, and Redis is not asked for it', async (t) => {
    const ticket = await take(one, issuer.sign({ sub: 'bob' }), from)
    const before = gets()
    t.equal(await refused(t, one, `ticket=${ticket}`, freshAddress()), '401 invalid_token')
    t.equal(await refused(t, one, `ticket=${'A'.repeat(116)}`, freshAddress()), '401 invalid_token')
    t.equal(await refused(t, one, `ticket=${ticket}&token=${issuer.sign({ sub: 'bob' })}`, from), '400 bad_request')
    t.equal(gets(), before)
    await until('the causes are written', () => causes(one).includes('ticket_address') && causes(one).includes('ticket_signature'))
    t.equal((await open(t, other, ticket, from))['user_id'], 'bob', 'nobody has used it up')
  })

  await t.test('what was revoked in between opens nothing', async (t) => {
    const ticket = await take(one, issuer.sign({ sub: 'carol' }), from)
    const { status } = await one.admin('/v1/revocations', { method: 'POST', headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{"sub":"carol"}' })
    t.equal(status, 204)
    t.equal(await refused(t, one, `ticket=${ticket}`, from), '401 revoked')
  })

  await t.test('asking counts as an attempt, coming with it does not', async (t) => {
    const office = freshAddress()
    const first = await take(one, issuer.sign({ sub: 'first' }), office)
    for (let i = 1; i < 10; i++) t.equal((await ask(one, {}, { from: office })).status, 401)
    const over = await ask(one, { Authorization: `Bearer ${issuer.sign({ sub: 'late' })}` }, { from: office })
    t.same([over.status, over.body['error']], [429, 'ip_rate_limited'])
    t.ok(Number(over.headers.get('retry-after')) > 0)
    t.equal((await open(t, other, first, office))['user_id'], 'first')
    t.equal(await refused(t, other, `ticket=${'A'.repeat(116)}`, office), '429 ip_rate_limited', 'a made-up one counts')
  })

  await t.test('a connection is refreshed by one', async (t) => {
    const client = await connect(t, one, `/ws?token=${issuer.sign({ sub: 'dora' })}`, at(from))
    await client.nextOf('welcome')
    client.send({ type: 'refresh', id: '1', ticket: await take(other, issuer.sign({ sub: 'dora' }), from) })
    t.equal((await client.nextOf('refreshed'))['id'], '1')
    client.send({ type: 'refresh', id: '2', ticket: 'x', token: 'y' })
    t.match(await client.nextOf('error'), { id: '2', error: 'bad_message' })
    client.send({ type: 'refresh', id: '3', ticket: await take(other, issuer.sign({ sub: 'eve' }), from) })
    t.equal((await client.closed).code, 4401)
  })

  await t.test('a token that is bound to a key is good with its proof, by ticket, and nowhere else', async (t) => {
    const holder = createDpopClient()
    const token = issuer.sign({ sub: 'frank', cnf: { jkt: holder.jkt } })
    const proven = async (changes: ProofChanges = {}, shown = token, client = holder): Promise<Asked> =>
      await ask(one, { Authorization: `DPoP ${shown}`, DPoP: client.prove(TARGET, shown, changes) }, { from: freshAddress() })
    const home = freshAddress()
    const proof = holder.prove(TARGET, token)
    const good = await ask(one, { Authorization: `DPoP ${token}`, DPoP: proof }, { from: home })
    t.equal(good.status, 201)
    t.equal((await ask(other, { Authorization: `DPoP ${token}`, DPoP: proof }, { from: home })).status, 401, 'the proof counts once, on every process')
    t.equal((await open(t, other, String(good.body['ticket']), home))['user_id'], 'frank')
    t.equal(await refused(t, other, `token=${token}`, freshAddress()), '401 invalid_token', 'it is no bearer token for having been seen')
    const bearer = await ask(one, { Authorization: `Bearer ${token}` })
    t.same([bearer.status, bearer.body['error']], [401, 'invalid_token'])
    t.match(bearer.headers.get('www-authenticate'), /^Bearer .*, DPoP algs="ES256 /)
    t.equal((await proven({}, token, createDpopClient())).status, 401, 'the proof of another key')
    t.equal((await proven({}, issuer.sign({ sub: 'frank' }))).status, 401, 'a token that is bound to nothing')
    t.match((await proven({ claims: { htm: 'GET' } })).headers.get('www-authenticate'), /DPoP error="invalid_dpop_proof"/)
    t.equal((await ask(one, { Authorization: `DPoP ${token}` })).status, 401, 'no proof')
    await until('the causes are written', () => ['sender_constrained', 'dpop: htm', 'dpop: missing', 'sender_constrained: the token is bound to no key']
      .every(cause => causes(one).includes(cause)) && causes(other).includes('dpop: jti'))
  })

  await t.test('a page of an allowed origin may ask, and read refusals; another may not', async (t) => {
    const preflight = await ask(one, { Origin: PAGE, 'Access-Control-Request-Method': 'POST' }, { method: 'OPTIONS' })
    t.equal(preflight.status, 204)
    const read = ({ headers }: Asked, name: string): string | null => headers.get(`access-control-${name}`)
    t.same([read(preflight, 'allow-origin'), read(preflight, 'allow-methods'), read(preflight, 'allow-headers'), read(preflight, 'allow-credentials')],
      [PAGE, 'POST', 'authorization, dpop, content-type', null])
    const missing = await ask(one, { Origin: PAGE })
    t.same([missing.status, read(missing, 'allow-origin'), missing.headers.get('vary')], [401, PAGE, 'Origin'])
    for (const method of ['OPTIONS', 'POST']) {
      const foreign = await ask(one, { Origin: 'https://evil.example' }, { method })
      t.same([foreign.status, read(foreign, 'allow-origin')], [403, null])
    }
  })

  await t.test('what is asked for while Redis is away comes to nothing, and says so', async (t) => {
    const away = freshAddress()
    const ticket = await take(one, issuer.sign({ sub: 'gina' }), away)
    await redis.stop()
    t.equal((await ask(one, { Authorization: `Bearer ${issuer.sign({ sub: 'gina' })}` }, { from: away })).status, 503)
    t.equal(await refused(t, one, `ticket=${ticket}`, away), '503 unavailable')
  })
})

t.test('one process without Redis has tickets of its own, for the host that the request names', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), TRUSTED_PROXIES: '127.0.0.1', WS_TICKET_ADDRESS: 'any' })
  t.equal((await open(t, gateway, await take(gateway, issuer.sign({ sub: 'alice' }), freshAddress()), freshAddress()))['user_id'], 'alice')
  const holder = createDpopClient()
  const token = issuer.sign({ sub: 'bob', cnf: { jkt: holder.jkt } })
  const proven = async (target: string, more: Record<string, string> = {}): Promise<number> =>
    (await ask(gateway, { Authorization: `DPoP ${token}`, DPoP: holder.prove(target, token), ...more })).status
  t.equal(await proven(gateway.url('/v1/tickets').replace(/^ws/, 'http')), 201)
  t.equal(await proven('https://evil.example/v1/tickets'), 401)
  t.equal(await proven(TARGET, { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'evil.example, gateway.example' }), 201)
})
