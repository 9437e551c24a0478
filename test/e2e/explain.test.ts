import t, { type Test } from 'tap'
import { STEP_NAMES, type ExplainedStep, type Explanation } from '../../src/explain/explanation.js'
import { connect, connectRefused, freshAddress, type ConnectOptions } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { freshMetrics } from '../support/metrics.js'
import { startPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { startRedis, startRedisCluster, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const ORIGIN = 'https://app.example.com'

type Question = Readonly<Record<string, unknown>>

async function post (gateway: TestGateway, body: unknown, token = ADMIN_TOKEN): Promise<Response> {
  return await gateway.admin('/v1/explain', { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) })
}

async function explain (gateway: TestGateway, question: Question): Promise<Explanation> {
  const response = await post(gateway, question)
  const body = await response.json() as Explanation
  if (response.status !== 200) throw new Error(`${response.status}: ${JSON.stringify(body)}`)
  return body
}

const deciding = ({ steps }: Explanation): ExplainedStep | undefined => steps.find(({ verdict }) => verdict === 'fail')

/** The same question, asked as a client. */
async function attempt (t: Test, gateway: TestGateway, question: Question): Promise<string> {
  const query = new URLSearchParams()
  for (const name of ['agent_ids', 'task_ids']) if (question[name] !== undefined) query.set(name, String(question[name]))
  const options: ConnectOptions = {
    from: String(question['address'] ?? freshAddress()),
    headers: {
      ...(question['origin'] === undefined ? {} : { origin: String(question['origin']) }),
      ...(question['token'] === undefined ? {} : { authorization: `Bearer ${String(question['token'])}` })
    }
  }
  const path = `${String(question['path'] ?? '/ws')}?${query.toString()}`
  const refused = await connectRefused(t, gateway, path, options).catch(() => null)
  return refused === null ? 'accepted' : String(refused.body['error'])
}

type Case = readonly [expected: string, question: Question]

/** Explains, tries, and tells where the two differ, or where it is not what was expected; explained twice, before and after. */
async function compare (t: Test, gateway: TestGateway, cases: readonly Case[]): Promise<unknown[]> {
  const wrong: unknown[] = []
  for (const [expected, question] of cases) {
    const { outcome, steps } = await explain(gateway, question)
    const tried = await attempt(t, gateway, question)
    const asked = { ...question, token: undefined }
    if (outcome !== expected || tried !== expected) wrong.push({ expected, outcome, tried, steps, asked })
  }
  return wrong
}

const SETTINGS = {
  ADMIN_TOKEN,
  WS_UPGRADE_DEADLINE_MS: '60000',
  WS_ALLOWED_ORIGINS: ORIGIN,
  WS_IP_CONNECTIONS: '4',
  WS_USER_CONNECTIONS: '2',
  JWT_MAX_LIFETIME_S: '7200',
  JWKS_COOLDOWN_S: '3600'
}

/** Every refusal that a request, its token and its rights can meet, in the order of the table. */
function tokenCases (issuer: TestIssuer): Case[] {
  const now = Math.floor(Date.now() / 1000)
  const sign = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): string => issuer.sign({ sub: 'alice', ...claims }, { header })
  const good = sign({ agents: ['a1'] })
  const [head = '', body = ''] = good.split('.')
  const withToken = (token: string, more: Question = {}): Question => ({ token, address: freshAddress(), ...more })
  return [
    ['bad_request', withToken(good, { path: '/ws/agents', task_ids: ['t1'] })],
    ['bad_request', withToken(good, { agent_ids: ['a 1'] })],
    ['bad_request', withToken(good, { agent_ids: [] })],
    ['bad_request', withToken(good, { agent_ids: Array.from({ length: 51 }, (_, i) => `a${i}`) })],
    ['bad_request', withToken(sign({ agents: '*' }), { agent_ids: '*' })],
    ['forbidden', withToken(good, { origin: 'https://evil.example' })],
    ['missing_token', { address: freshAddress() }],
    ['invalid_token', withToken('opaque')],
    ['invalid_token', withToken(`${head}.${body}.${Buffer.alloc(256, 7).toString('base64url')}`)],
    ['invalid_token', withToken(sign({ aud: 'elsewhere' }))],
    ['invalid_token', withToken(sign({ iss: 'https://other.example' }))],
    ['invalid_token', withToken(sign({ iat: now, exp: now + 86_400 }))],
    ['invalid_token', withToken(sign({ nbf: now + 3600 }))],
    ['invalid_token', withToken(sign({ sub: undefined }))],
    ['invalid_token', withToken(sign({ typ: 'ID' }))],
    ['invalid_token', withToken(sign({}, { alg: 'HS256' }))],
    ['invalid_token', withToken(sign({ cnf: { jkt: 'x'.repeat(43) } }))],
    ['invalid_token', withToken('x'.repeat(12_001))],
    ['expired_token', withToken(sign({ iat: now - 7200, exp: now - 3600 }))],
    ['unavailable', withToken(sign({}, { kid: 'never-published' }))],
    ['forbidden', withToken(good, { agent_ids: ['a1', 'a9'] })],
    ['forbidden', withToken(good, { path: '/ws/tasks', task_ids: 't1' })],
    ['accepted', withToken(good, { agent_ids: ['a1'], origin: ORIGIN })],
    ['accepted', withToken(sign({ sub: 'bob', agents: ['a1', 'a2'] }), { agent_ids: '*' })]
  ]
}

/** What operators and the limits refuse: each of them made so first. */
async function limitCases (t: Test, gateway: TestGateway, issuer: TestIssuer): Promise<Case[]> {
  const order = async (method: string, path: string, body: unknown): Promise<void> => {
    const { status } = await gateway.admin(path, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify(body) })
    t.equal(status, 204, path)
  }
  const [banned, over, fresh] = [freshAddress(), freshAddress(), freshAddress()]
  await order('PUT', `/v1/bans/${banned}`, { seconds: 600 })
  for (const revoked of [{ jti: 'token-1' }, { sid: 'session-1' }, { sub: 'mallory' }]) await order('POST', '/v1/revocations', revoked)
  for (let i = 0; i < 4; i++) await attempt(t, gateway, { address: over })
  for (let i = 0; i < 2; i++) await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'carol' })}`, { from: freshAddress() })
  const sign = (claims: Record<string, unknown>): string => issuer.sign({ sub: 'alice', ...claims })
  return [
    ['banned', { address: banned, token: sign({}) }],
    ['ip_rate_limited', { address: over, token: sign({}) }],
    ['revoked', { address: freshAddress(), token: sign({ jti: 'token-1' }) }],
    ['revoked', { address: freshAddress(), token: sign({ sid: 'session-1' }) }],
    // The order is about tokens that were issued before it.
    ['revoked', { address: freshAddress(), token: sign({ sub: 'mallory', iat: Math.floor(Date.now() / 1000) - 600 }) }],
    ['user_connection_limit', { address: fresh, token: sign({ sub: 'carol' }) }]
  ]
}

t.test('an explanation is what the upgrade then meets', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...SETTINGS, ...trust(issuer), REDIS_URL: redis.url })
  // The first token with a key that is not at hand has the keys fetched: from then on the cooldown is there.
  await attempt(t, gateway, { token: issuer.sign({}, { header: { kid: 'first' } }) })

  t.same(await compare(t, gateway, tokenCases(issuer)), [])
  t.same(await compare(t, gateway, await limitCases(t, gateway, issuer)), [])

  await t.test('a path that does not exist is not found', async (t) => {
    t.match(await explain(gateway, { path: '/other' }), { outcome: 'not_found', steps: [{ step: 'request', verdict: 'fail' }, { verdict: 'not_reached' }] })
  })

  await t.test('it says what clients never learn: which id, which claim with both values, which key and when it was fetched', async (t) => {
    const { kid } = issuer.newestKey()
    const about = async (question: Question): Promise<ExplainedStep | undefined> => deciding(await explain(gateway, question))
    t.match(await about({ token: issuer.sign({ agents: ['a1'] }), agent_ids: ['a1', 'a9'] }), { step: 'permissions', claim: 'agents', because: /agent_ids \["a9"\] not in the claim agents, which is \["a1"\]/ })
    t.match(await about({ token: issuer.sign({ aud: 'x' }) }), { step: 'token', claim: 'aud', setting: 'JWT_AUDIENCE', because: `aud is "x", JWT_AUDIENCE is "${issuer.audience}"` })
    t.match(await about({ token: issuer.sign({ iss: 'https://other.example' }) }), { claim: 'iss', setting: 'JWT_ISSUER', because: `iss is "https://other.example", JWT_ISSUER is "${issuer.issuer}"` })
    t.match(await about({ token: issuer.sign({}, { header: { kid: 'nowhere' } }) }), { setting: 'JWKS_COOLDOWN_S', because: /^unknown_key: kid is "nowhere", .*; the keys were fetched at \S+ \(\d+ s ago\); they are not fetched again for \d+ s/ })
    t.match(await about({ origin: 'https://evil.example' }), { step: 'origin', setting: 'WS_ALLOWED_ORIGINS', because: `origin is "https://evil.example", WS_ALLOWED_ORIGINS is ["${ORIGIN}"]` })
    const { steps } = await explain(gateway, { token: issuer.sign({ sub: 'dave' }) })
    t.match(steps.find(({ step }) => step === 'token'), { verdict: 'pass', because: new RegExp(`^user "dave" of issuer oidc; kid is "${kid}", .*; the keys were fetched at \\d{4}-\\S+Z \\(\\d+ s ago\\); the token ends at `) })
  })

  await t.test('the limits are counted as they stand, without an address only the user\'s', async (t) => {
    const address = freshAddress()
    for (let i = 0; i < 3; i++) await attempt(t, gateway, { address })
    const { limits, outcome } = await explain(gateway, { token: issuer.sign({ sub: 'carol' }), address })
    t.equal(outcome, 'user_connection_limit')
    t.match(limits, { address: { used: 3, limit: 4 }, user: { used: 2, limit: 2 } })
    t.ok((limits.address?.reset_s ?? 0) > 50 && (limits.address?.reset_s ?? 61) <= 60)
    t.same((await explain(gateway, { token: issuer.sign({ sub: 'dave' }) })).limits, { user: { used: 0, limit: 2 } })
    t.same((await explain(gateway, { claims: { sub: 'dave' }, address: freshAddress() })).limits, { address: { used: 0, limit: 4, reset_s: 0 }, user: { used: 0, limit: 2 } })
  })

  await t.test('claims count as verified, and what a token with them would be refused for is said', async (t) => {
    t.match(await explain(gateway, { claims: { sub: 'dave', agents: ['a1'] }, agent_ids: 'a1' }), { outcome: 'accepted' })
    t.match(await explain(gateway, { claims: { sub: 'dave', agents: ['a1'] }, agent_ids: ['a2'] }), { outcome: 'forbidden' })
    const revoked = await explain(gateway, { claims: { sub: 'mallory' } })
    t.match([revoked.outcome, deciding(revoked)?.because], ['revoked', /a token that was issued later counts: say so by iat/])
    t.match(await explain(gateway, { claims: { sub: 'mallory', iat: Math.floor(Date.now() / 1000) + 1 } }), { outcome: 'accepted' })
    const other = await explain(gateway, { claims: { sub: 'dave', aud: 'zz' } })
    t.match(other.steps.find(({ step }) => step === 'token')?.because, /would be refused: audience: aud is "zz"/, 'without exp and iat as well')
    t.match(deciding(await explain(gateway, { claims: { sub: 'dave', agents: 'a1' }, agent_ids: 'a1' }))?.because, /not in the claim agents: claim_type: agents is "a1"/)
    const { steps, outcome } = await explain(gateway, { claims: { sub: 'dave', aud: 'x', iss: issuer.issuer, iat: 1, exp: 2 } })
    t.equal(outcome, 'accepted')
    t.match(steps.find(({ step }) => step === 'token')?.because, /would be refused: audience: aud is "x", wanted is/)
  })

  await t.test('the steps stand in their order, and what comes after a refusal is not reached', async (t) => {
    for (const question of [{}, { token: issuer.sign({ sub: 'dave' }) }, { origin: 'https://evil.example' }]) {
      const { steps } = await explain(gateway, question)
      t.same(steps.map(({ step }) => step), STEP_NAMES)
      t.match(steps.map(({ verdict }) => verdict).join(' '), /^(pass ?)*(fail( not_reached)*)?$/)
    }
  })

  await t.test('a question that cannot be read is a 400 that says what is wanted, and one without the secret a 401', async (t) => {
    const answers = await Promise.all([
      [{ token: 'a', claims: { sub: 'a' } }, /not both/], [{ address: 'nowhere' }, /^address: /], [{ claims: {} }, /^claims: sub /], [{ agent_id: ['a'] }, /nothing else/],
      [[], /^wanted an object of token, claims, path/], [{ token: 7 }, /^token: wanted a text of 1 to 32768 characters$/], [{ token: 'x'.repeat(40_000) }, /32768/]
    ].map(async ([body, wanted]) => {
      const response = await post(gateway, body)
      return [response.status, (wanted as RegExp).test(String((await response.json() as { message: string }).message))]
    }))
    t.same(answers.filter(([status, isSaid]) => status !== 400 || isSaid !== true), [])
    const many = await post(gateway, { claims: {}, path: '', agent_ids: 7, address: 'nowhere', host: null, agent_id: ['a'] })
    t.equal(many.status, 400)
    t.match((await many.json() as { message: string }).message, /^path: .*; agent_ids: .*; host: .*; agent_id: .*; address: wanted an IPv4 or IPv6 address; claims: sub /, 'all that are wrong at once')
    t.equal((await post(gateway, {}, 'wrong')).status, 401)
    t.equal((await gateway.admin('/v1/explain', { method: 'POST', headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{' })).status, 400)
    t.equal((await post(gateway, { token: 'x'.repeat(70_000) })).status, 413)
  })
})

/** All that a gateway and its Redis hold of attempts: what a question must not change. */
async function takeStock (gateway: TestGateway, redis: TestRedis, issuer: TestIssuer): Promise<unknown> {
  const keys = (await redis.client.keys('*')).filter(key => !/ws:node/.test(key)).toSorted()
  const values = await Promise.all(keys.map(async key => [key, await redis.client.dumpBuffer(key), await redis.client.pexpiretime(key)]))
  const metrics = (await freshMetrics(gateway.admin)).split('\n')
    .filter(line => line.startsWith('portcullis_') && !/_age_seconds|event_loop|_cpu_|redis_calls/.test(line))
  const lines = gateway.log.filter(({ event }) => event !== 'admin.action').length
  return { values, metrics, lines, requests: { ...issuer.requests } }
}

t.test('a question leaves nothing behind but a line that names whom it was about', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const gateway = await startGateway(t, { ...SETTINGS, ...trust(issuer), REDIS_URL: redis.url, WS_BAN_AFTER: '3' })
  const [over, blocked] = [freshAddress(), freshAddress()]
  for (let i = 0; i < 3; i++) await attempt(t, gateway, { address: over, token: 'bad' })
  for (let i = 0; i < 5; i++) await attempt(t, gateway, { address: blocked, token: 'bad' })
  const token = issuer.sign({ sub: 'alice', agents: ['a1'] })
  await until('the broken limit is counted', async () => await redis.client.exists(`ws:strikes:${blocked}`) === 1)
  const before = await takeStock(gateway, redis, issuer)
  const crowded = [over, blocked, blocked, blocked, blocked, over].map(address => ({ address, token }))
  const asked: Question[] = [...tokenCases(issuer).map(([, question]) => question), ...crowded]
  for (const question of asked) await explain(gateway, question)
  t.same(await takeStock(gateway, redis, issuer), before)

  const actions = gateway.log.filter(({ event }) => event === 'admin.action')
  t.equal(actions.length, asked.length, 'one line each')
  t.match(actions.at(-1), { action: 'explain', target: 'alice', ip: '127.0.0.1', status: 200 })
  const secrets = asked.flatMap(question => 'token' in question ? [String(question['token'])] : []).flatMap(text => text.split('.').filter(part => part.length > 40))
  t.same(secrets.filter(part => gateway.stdout().includes(part)), [], 'no part of a token in the log')
  t.equal(await attempt(t, gateway, { address: over, token }), 'accepted', 'the fourth attempt has its place still')
})

t.test('an unknown key has none fetched, and begins no cooldown', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...SETTINGS, ...trust(issuer), JWKS_COOLDOWN_S: '1' })
  const fetched = issuer.requests.jwks
  const token = issuer.sign({ sub: 'alice' }, { key: issuer.addKey() })
  await until('the cooldown of the start is over', async () => /this question fetches none, an upgrade with this key would/.test(deciding(await explain(gateway, { token }))?.because ?? ''))
  t.equal(issuer.requests.jwks, fetched)
  t.equal(await attempt(t, gateway, { token }), 'accepted', 'the upgrade has them fetched')
  t.equal(issuer.requests.jwks, fetched + 1)
})

t.test('without Redis, on a cluster, and with Redis away it says what the upgrade meets', async (t) => {
  const issuer = await startIssuer(t)
  const base = { ...SETTINGS, ...trust(issuer) }

  await t.test('in memory', async (t) => {
    const gateway = await startGateway(t, base)
    t.same(await compare(t, gateway, await limitCases(t, gateway, issuer)), [])
  })

  await t.test('on a cluster', async (t) => {
    const cluster = await startRedisCluster(t)
    const gateway = await startGateway(t, { ...base, REDIS_CLUSTER_URLS: cluster.urls.join(',') })
    t.same(await compare(t, gateway, await limitCases(t, gateway, issuer)), [])
  })

  for (const [policy, expected] of [['local', 'accepted'], ['open', 'accepted'], ['closed', 'unavailable']] as const) {
    await t.test(`with Redis away and the policy ${policy}`, async (t) => {
      const redis = await startRedis(t)
      const gateway = await startGateway(t, { ...base, REDIS_URL: redis.url, WS_LIMITS_ON_REDIS_DOWN: policy })
      await redis.stop()
      const question = { address: freshAddress(), token: issuer.sign({ sub: `user-${policy}` }) }
      const first = await explain(gateway, question)
      t.same(await compare(t, gateway, [[expected, question]]), [])
      t.match(first.steps.find(({ step }) => step === 'address')?.because, /Redis is away/)
    })
  }

  await t.test('in a dry run, which refuses nobody', async (t) => {
    const gateway = await startGateway(t, { ...base, WS_LIMITS_MODE: 'dry-run' })
    const over = freshAddress()
    for (let i = 0; i < 4; i++) await attempt(t, gateway, { address: over })
    const question = { address: over, token: issuer.sign({ sub: 'alice' }) }
    t.same(await compare(t, gateway, [['accepted', question]]), [])
    t.match((await explain(gateway, question)).steps[2], { step: 'address', verdict: 'pass', setting: 'WS_LIMITS_MODE', because: /dry-run: it is let through/ })
  })

  await t.test('of a process that is full, of one that drains, and through the supervisor of several', async (t) => {
    const redis = await startRedis(t)
    const full = await startGateway(t, { ...base, WS_MAX_CONNECTIONS: '1' })
    await connect(t, full, `/ws?token=${issuer.sign({ sub: 'first' })}`, { from: freshAddress() })
    t.same(await compare(t, full, [['overloaded', { token: issuer.sign({}) }]]), [])
    t.match(deciding(await explain(full, {})), { step: 'request', setting: 'WS_MAX_CONNECTIONS' })
    const several = await startGateway(t, { ...base, REDIS_URL: redis.url, WORKERS: '2', PORT: String(await findFreePort()) })
    // Orders reach the other worker a moment later than the one that took them.
    const cases = (await limitCases(t, several, issuer)).filter(([expected]) => expected !== 'banned' && expected !== 'revoked')
    t.same(await compare(t, several, cases), [])
    t.match(several.log.filter(({ event }) => event === 'admin.action').at(-1), { action: 'explain', target: 'carol' })
    const draining = await startGateway(t, { ...base, WS_DRAIN_SECONDS: '20' })
    await connect(t, draining, `/ws?token=${issuer.sign({ sub: 'stays' })}`, { from: freshAddress() })
    draining.signal('SIGTERM')
    await draining.waitForLog('server.draining')
    t.same(await compare(t, draining, [['restarting', { token: issuer.sign({}) }]]), [])
  })
})

t.test('the database is asked with the same role, and nothing of its answer is kept', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
  const name = await database.createSample('gateway')
  const gateway = await startGateway(t, {
    ...SETTINGS, ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100'
  })
  const [own, foreign] = ['a0000000-0000-4000-8000-0000000000a1', 'b0000000-0000-4000-8000-0000000000a1']
  const token = issuer.sign({ sub: 'alice' })
  t.same(await compare(t, gateway, [
    ['accepted', { token, address: freshAddress(), agent_ids: [own] }],
    ['forbidden', { token, address: freshAddress(), agent_ids: [own, foreign] }],
    ['accepted', { token: issuer.sign({ sub: 'alice', n: 2 }), address: freshAddress(), agent_ids: '*' }]
  ]), [])
  t.match(deciding(await explain(gateway, { claims: { sub: 'alice' }, agent_ids: [own, foreign] })), {
    step: 'permissions', setting: 'WS_PG_AGENTS', because: `agent_ids ["${foreign}"] not visible in public.agents, asked as authenticated`
  })

  await t.test('what an operator asked is not remembered for the user', async (t) => {
    const fresh = issuer.sign({ sub: 'alice', n: 3 })
    t.equal((await explain(gateway, { token: fresh, agent_ids: [own] })).outcome, 'accepted')
    await database.stop()
    t.equal(await attempt(t, gateway, { token: fresh, agent_ids: own }), 'unavailable')
    const away = await explain(gateway, { token: fresh, agent_ids: [own] })
    t.match(away, { outcome: 'unavailable', steps: [{}, {}, {}, {}, { step: 'permissions', setting: 'WS_AUTHORIZER', because: /^access: \w+.*look at/ }, {}] })
  })
})

t.test('a Supabase project is asked with the user\'s own token, and nothing of its answer is kept', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t, { preset: 'supabase' })])
  const name = await database.createSample('supabase')
  const postgrest = await startPostgrest(t, { databaseUrl: database.url('portcullis_login', name), key: issuer.newestKey().publicKey })
  const gateway = await startGateway(t, {
    ...SETTINGS,
    ...trust(issuer),
    JWT_AUDIENCE: 'authenticated',
    WS_AUTHORIZER: 'supabase',
    SUPABASE_URL: postgrest.url,
    SUPABASE_ANON_KEY: postgrest.anonKey,
    WS_ACCESS_ISSUER: 'oidc',
    WS_IP_CONNECTIONS: '1000',
    WS_USER_CONNECTIONS: '100'
  }, { ready: false })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'oidc')
  const [own, foreign] = ['a0000000-0000-4000-8000-0000000000a1', 'b0000000-0000-4000-8000-0000000000a1']
  const sign = (n: number, sub = 'alice'): string => issuer.sign({ sub, role: 'authenticated', n })
  t.same(await compare(t, gateway, [
    ['accepted', { token: sign(1), address: freshAddress(), agent_ids: [own] }],
    ['forbidden', { token: sign(1), address: freshAddress(), agent_ids: [own, foreign] }],
    ['accepted', { token: sign(1, 'bob'), address: freshAddress(), agent_ids: [foreign] }],
    ['accepted', { token: sign(2), address: freshAddress(), agent_ids: '*' }]
  ]), [])

  await t.test('it says which id is not visible, and to whose eyes', async (t) => {
    t.match(deciding(await explain(gateway, { token: sign(3), agent_ids: [own, foreign] })), {
      step: 'permissions',
      setting: 'WS_PG_AGENTS',
      because: `agent_ids ["${foreign}"] not visible in public.agents, asked with the user's token: there is no such row, or its policies hide it`
    })
    t.match((await explain(gateway, { token: sign(3), agent_ids: [own] })).steps[4], {
      step: 'permissions', verdict: 'pass', because: 'PostgREST, asked with the user\'s token, shows all that is asked'
    })
  })

  await t.test('claims are no token to ask it with: filters need one, and what is wrong with the claims is said as well', async (t) => {
    t.equal((await explain(gateway, { claims: { sub: 'alice', iss: issuer.issuer } })).outcome, 'accepted')
    const answer = await post(gateway, { claims: { sub: '', iss: issuer.issuer }, agent_ids: [own] })
    t.equal(answer.status, 400)
    t.match((await answer.json() as { message: string }).message, /^token: with WS_AUTHORIZER=supabase the back end is asked with the user's own; claims: sub /)
  })

  await t.test('each question asks the project anew, and what an operator asked is not remembered for the user', async (t) => {
    const token = sign(4)
    const ask = async (): Promise<Explanation> => await explain(gateway, { token, agent_ids: [own] })
    for (let n = 0; n < 2; n++) {
      const before = postgrest.requests.length
      t.equal((await ask()).outcome, 'accepted')
      t.ok(postgrest.requests.length > before)
    }
    postgrest.answerWith({ status: 401, body: '{"code":"PGRST301","message":"JWSError JWSInvalidSignature"}' })
    t.equal(await attempt(t, gateway, { token, agent_ids: own }), 'unavailable')
    t.match(await ask(), { outcome: 'unavailable', steps: [{}, {}, {}, {}, { step: 'permissions', setting: 'WS_AUTHORIZER', because: /^access: token_refused.*look at/ }, {}] })
  })
})

t.test('break-glass lets those without a token in, and is said', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, {
    ...SETTINGS, ...trust(issuer), ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: new Date(Date.now() + 3_600_000).toISOString()
  })
  t.same(await compare(t, gateway, [
    ['accepted', { address: freshAddress() }], ['invalid_token', { address: freshAddress(), token: 'bad' }], ['forbidden', { address: freshAddress(), agent_ids: 'a1' }]
  ]), [])
  t.match((await explain(gateway, {})).steps[3], { step: 'token', setting: 'ALLOW_INSECURE_WS' })
})

t.test('an issuer that is asked about its tokens is asked, and its answer counts for nobody', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, {
    ...SETTINGS, ...trust(issuer), JWT_INTROSPECTION_URI: issuer.introspectionUri, JWT_INTROSPECTION_CLIENT_ID: 'c', JWT_INTROSPECTION_CLIENT_SECRET: 's'
  })
  const [good, bad] = [issuer.sign({ sub: 'alice' }), issuer.sign({ sub: 'bob' })]
  issuer.inactive.add(bad)
  t.match((await explain(gateway, { token: good })).steps[3], { verdict: 'pass', because: /introspection said 0 s ago that it is active/ })
  t.match(deciding(await explain(gateway, { token: bad })), { step: 'token', setting: 'JWT_INTROSPECTION_URI', because: /^inactive/ })
  const asked = issuer.requests.introspection
  t.same(await compare(t, gateway, [['accepted', { token: good, address: freshAddress() }], ['revoked', { token: bad, address: freshAddress() }]]), [])
  t.ok(issuer.requests.introspection > asked + 2, 'each upgrade has asked by itself')
})
