import { randomUUID } from 'node:crypto'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { readMetric } from '../support/held-sockets.js'
import { generateKey, startIssuer, type TestIssuer } from '../support/issuer.js'
import { startMonitor } from '../support/monitor.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { presentRefused } from './present.js'

const LOGOUT = { 'http://schemas.openid.net/event/backchannel-logout': {} }
const SIGNAL = { 'https://schemas.openid.net/secevent/caep/event-type/session-revoked': {} }
const FLOOD = 400

const httpUrl = (gateway: TestGateway, path: string): string => gateway.url(path).replace(/^ws/, 'http')

interface Asked { readonly status: number, readonly ticket: string }

async function askTicket (gateway: TestGateway, from: string, authorization: string): Promise<Asked> {
  const answer = await fetch(httpUrl(gateway, '/v1/tickets'), { method: 'POST', headers: { authorization, 'x-forwarded-for': from } })
  const { ticket = '' } = await answer.json() as { ticket?: string }
  return { status: answer.status, ticket }
}

async function tell (gateway: TestGateway, path: string, headers: Record<string, string>, body: string): Promise<number> {
  return (await fetch(httpUrl(gateway, path), { method: 'POST', headers: { 'x-forwarded-for': freshAddress(), ...headers }, body })).status
}

const logOut = async (gateway: TestGateway, token: string): Promise<number> =>
  await tell(gateway, '/oidc/backchannel-logout', { 'content-type': 'application/x-www-form-urlencoded' }, `logout_token=${token}`)
const signal = async (gateway: TestGateway, token: string): Promise<number> =>
  await tell(gateway, '/ssf/events', { 'content-type': 'application/secevent+jwt' }, token)

function signedAs (issuer: TestIssuer, typ: string, claims: Record<string, unknown>): string {
  return issuer.sign({ jti: randomUUID(), sid: 'victim', ...claims }, { header: { typ } })
}

t.test('behind one Redis', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, TRUSTED_PROXIES: '127.0.0.1', SSF_AUDIENCE: 'receiver/1' })
  await until('the key is there', async () => await redis.client.exists('ws:resume-key') === 1)
  const heard = await startMonitor(t, redis.port)
  const calls = (name: string): number => heard.filter(({ args: [command = ''] }) => command.toLowerCase() === name).length
  const victim = await connect(t, gateway, `/ws?token=${issuer.sign({ sid: 'victim' })}`, { from: freshAddress() })

  await t.test('a flood of ticket requests gets what the address window gives, costs Redis little, and keeps out nobody else', async (t) => {
    const [attacker, other] = [freshAddress(), freshAddress()]
    const authorization = `Bearer ${issuer.sign({ sub: 'greedy' })}`
    const before = { keys: (await redis.client.keys('ws:ticket:*')).length, evals: calls('evalsha') }
    const flood = Promise.all(Array.from({ length: FLOOD }, async () => (await askTicket(gateway, attacker, authorization)).status))
    t.equal((await askTicket(gateway, other, `Bearer ${issuer.sign({ sub: 'other' })}`)).status, 201, 'amid the flood')
    const statuses = await flood
    const count = (wanted: number): number => statuses.filter(status => status === wanted).length
    t.same([count(201), count(429)], [10, FLOOD - 10])
    t.equal((await redis.client.keys('ws:ticket:*')).length - before.keys, 11)
    t.ok(calls('evalsha') - before.evals < FLOOD / 2, `${calls('evalsha') - before.evals} calls for ${FLOOD} requests`)
    t.ok((await readMetric(gateway, 'portcullis_refusals_total{reason="ip_rate_limited"}') ?? 0) >= FLOOD - 10)
  })

  await t.test('a flood of tickets that are made up or used costs Redis no look-up', async (t) => {
    const from = freshAddress()
    const { ticket } = await askTicket(gateway, from, `Bearer ${issuer.sign({ sub: 'once' })}`)
    await connect(t, gateway, `/ws?ticket=${ticket}`, { headers: { 'x-forwarded-for': from } })
    const before = calls('getdel')
    const floods = [{ at: from, textOf: () => ticket }, { at: freshAddress(), textOf: (n: number) => `${ticket.slice(0, 100 + n % 16)}${'A'.repeat(16 - n % 16)}` }]
    for (const { at, textOf } of floods) {
      const outcomes = new Set<unknown>()
      for (let n = 0; n < 40; n++) {
        outcomes.add((await connectRefused(t, gateway, `/ws?ticket=${textOf(n)}`, { headers: { 'x-forwarded-for': at } })).body['error'])
      }
      t.same([...outcomes].sort(), ['invalid_token', 'ip_rate_limited'], 'each is an attempt')
    }
    t.equal(calls('getdel') - before, 0)
  })

  await t.test('no statement passes for another kind, none opens a connection, and no token of any kind ends one', async (t) => {
    const nowS = Math.floor(Date.now() / 1000)
    const asLogout = (claims: Record<string, unknown>, typ = 'logout+jwt') => signedAs(issuer, typ, { events: LOGOUT, sub: undefined, ...claims })
    const forger = generateKey('RS256', 'key-1')
    const refused = {
      'an access token': await logOut(gateway, issuer.sign({ sid: 'victim', jti: randomUUID() })),
      'an ID token': await logOut(gateway, asLogout({ nonce: 'n' }, 'JWT')),
      'a signal as a logout': await logOut(gateway, asLogout({}, 'secevent+jwt')),
      'a forged one': await logOut(gateway, issuer.sign({ sid: 'victim', jti: 'f', events: LOGOUT }, { key: forger })),
      'for another audience': await logOut(gateway, asLogout({ aud: 'elsewhere' })),
      'an old one': await logOut(gateway, asLogout({ iat: nowS - 400, exp: nowS + 100 })),
      'without events': await logOut(gateway, asLogout({ events: undefined })),
      'without jti': await logOut(gateway, asLogout({ jti: undefined })),
      'a logout as a signal': await signal(gateway, asLogout({ aud: 'receiver/1' })),
      'an access token as a signal': await signal(gateway, issuer.sign({ aud: 'receiver/1', jti: 'a', events: SIGNAL })),
      'a signal for another': await signal(gateway, signedAs(issuer, 'secevent+jwt', { aud: 'receiver/2', events: SIGNAL }))
    }
    t.same(Object.entries(refused).filter(([, status]) => status !== 400), [])
    const opening = {
      'a logout token': await presentRefused(t, gateway, asLogout({ sub: 'alice' })),
      'a signal': await presentRefused(t, gateway, signedAs(issuer, 'secevent+jwt', { events: SIGNAL })),
      'a signal whose header says JWT': await presentRefused(t, gateway, signedAs(issuer, 'JWT', { events: SIGNAL, scope: 'ws:send' }))
    }
    t.same(Object.entries(opening).filter(([, outcome]) => !outcome.startsWith('401 invalid_token')), [])
    victim.send({ type: 'ping' })
    await victim.nextOf('pong')
  })

  await t.test('a logout of one issuer\'s session ends none of another issuer\'s', async (t) => {
    const other = await startIssuer(t)
    const ISSUERS = JSON.stringify([issuer, other].map(({ issuer: iss, audience, jwksUri }, n) =>
      ({ name: n === 0 ? 'first' : 'second', issuer: iss, audience, jwks_uri: jwksUri })))
    const both = await startGateway(t, { ISSUERS, WS_ACCESS_ISSUER: 'first', TRUSTED_PROXIES: '127.0.0.1' })
    const [mine, theirs] = await Promise.all([issuer, other].map(async ({ sign }) =>
      await connect(t, both, `/ws?token=${sign({ sid: 's1' })}`, { from: freshAddress() })))
    t.equal(await logOut(both, other.sign({ jti: 'x', sid: 's1', sub: undefined, events: LOGOUT }, { header: { typ: 'logout+jwt' } })), 200)
    t.equal((await theirs?.closed)?.code, 4401)
    t.equal(await logOut(both, other.sign({ jti: 'y', sub: 'alice', sid: undefined, events: LOGOUT }, { header: { typ: 'logout+jwt' } })), 200)
    mine?.send({ type: 'ping' })
    await mine?.nextOf('pong')
  })
})
