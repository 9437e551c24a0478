import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'

const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'

t.test('orders of operators reach every process', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t)])
  const env = { ...trust(issuer), REDIS_URL: redis.url, ADMIN_TOKEN, WS_IP_CONNECTIONS: '1000', WS_USER_CONNECTIONS: '100' }
  const [here, there] = await Promise.all([startGateway(t, env), startGateway(t, env)])
  const order = async (method: string, path: string, body?: unknown, token = ADMIN_TOKEN): Promise<Response> =>
    await here.admin(path, { method, headers: { Authorization: `Bearer ${token}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const open = async (where: typeof here, token: string, from = freshAddress()): ReturnType<typeof connect> => {
    const client = await connect(t, where, `/ws?token=${token}`, { from })
    await client.nextOf('welcome')
    return client
  }

  await t.test('nothing is done without the secret', async (t) => {
    t.equal((await order('DELETE', '/v1/users/alice/connections', undefined, 'wrong')).status, 401)
    t.equal((await here.admin('/v1/connections?user_id=alice')).status, 401)
  })

  await t.test('the list names the connections of a user on all processes', async (t) => {
    const token = issuer.sign({ sub: 'lister' })
    await open(here, token)
    await open(there, token)
    const { connections } = await (await order('GET', '/v1/connections?user_id=lister')).json() as { connections: Array<Record<string, unknown>> }
    t.equal(connections.length, 2)
    t.equal(new Set(connections.map(one => one['node'])).size, 2)
    t.match(connections[0], { user_id: 'lister', ip: /^127\.77\./, path: '/ws', connection_id: /./, opened_at: /T/ })
  })

  await t.test('a user whose id has a + is found by the one spelling that is heard, and the other is refused', async (t) => {
    await open(there, issuer.sign({ sub: 'bob+x@y.z' }))
    const list = await (await order('GET', '/v1/connections?user_id=bob%2Bx%40y.z')).json() as { connections: unknown[] }
    t.equal(list.connections.length, 1)
    const plain = await offenders([['GET', '/v1/connections'], ['POST', '/v1/recheck']] as const, async ([method, path]) =>
      (await order(method, `${path}?user_id=bob+x@y.z`)).status === 400)
    t.same(plain, [])
  })

  await t.test('disconnecting a user ends its connections everywhere, and nobody else\'s', async (t) => {
    const [first, second, other] = [await open(here, issuer.sign({ sub: 'alice' })), await open(there, issuer.sign({ sub: 'alice' })), await open(there, issuer.sign({ sub: 'bob' }))]
    t.equal((await order('DELETE', '/v1/users/alice/connections')).status, 204)
    for (const client of [first, second]) t.same(await client.closed, { code: 4403, reason: '{"error":"disconnected"}' })
    other.send({ type: 'ping' })
    t.equal((await other.next()).type, 'pong')
  })

  for (const [kind, claims] of [['jti', { jti: 'token-1' }], ['sid', { sid: 'session-1' }], ['sub', {}]] as const) {
    await t.test(`revoking by ${kind} ends connections everywhere and refuses the token from then on`, async (t) => {
      const sub = `revoked-${kind}`
      const token = issuer.sign({ sub, ...claims })
      const clients = [await open(here, token), await open(there, token)]
      t.equal((await order('POST', '/v1/revocations', { [kind]: Object.values(claims)[0] ?? sub })).status, 204)
      for (const client of clients) t.same(await client.closed, { code: 4401, reason: '{"error":"revoked"}' })
      for (const where of [here, there]) {
        const refused = await connectRefused(t, where, `/ws?token=${token}`, { from: freshAddress() })
        t.equal(refused.status, 401)
        t.equal(refused.body['error'], 'revoked')
      }
    })
  }

  await t.test('a process started later knows what was revoked before', async (t) => {
    const later = await startGateway(t, env)
    const refused = await connectRefused(t, later, `/ws?token=${issuer.sign({ sub: 'x', jti: 'token-1' })}`, { from: freshAddress() })
    t.equal(refused.body['error'], 'revoked')
  })

  await t.test('a ban ends what the address has open, and refuses it until it is lifted', async (t) => {
    const from = freshAddress()
    const client = await open(there, issuer.sign({ sub: 'banned' }), from)
    t.equal((await order('PUT', `/v1/bans/${from}`, { seconds: 60 })).status, 204)
    t.match(await client.closed, { code: 4403, reason: /"banned"/ })
    const refused = await connectRefused(t, there, '/ws', { from })
    t.equal(refused.status, 403)
    t.equal(refused.body['error'], 'banned')
    t.ok(Number(refused.headers['retry-after']) > 0)
    t.ok(await redis.client.pttl(`ws:ban:${from}`) > 0)
    t.equal((await order('DELETE', `/v1/bans/${from}`)).status, 204)
    const again = await connectRefused(t, here, '/ws', { from })
    t.equal(again.body['error'], 'missing_token')
  })

  await t.test('the /64 of an IPv6 address is banned and let in again in whatever way its slash is written; what is no address is said to be none', async (t) => {
    const networks = async (): Promise<string[]> => (await (await order('GET', '/v1/bans')).json() as { bans: Array<{ address: string }> }).bans
      .map(({ address }) => address).filter(address => address.includes(':'))
    for (const [banned, lifted] of [['2001:db8::/64', '2001:db8::%2F64'], ['2001:db8::%2f64', '2001:db8::1'], ['2001:db8::2', '2001:db8::/64']] as const) {
      t.equal((await order('PUT', `/v1/bans/${banned}`, { seconds: 60 })).status, 204, banned)
      t.same(await networks(), ['2001:db8::/64'])
      t.equal((await order('DELETE', `/v1/bans/${lifted}`)).status, 204, lifted)
      t.same(await networks(), [])
    }
    const none = ['2001:db8::/48', '2001:db8::/64/', '2001:db8::/64/x', '/2001:db8::/64', '192.0.2.1/64', '192.0.2.0/24', '::ffff:192.0.2.1/64', '192.0.2.1/', 'a/b']
    t.same(await offenders(none.flatMap(text => [['PUT', text], ['DELETE', text]] as const), async ([method, text]) => {
      const answer = await order(method, `/v1/bans/${text}`, { seconds: 60 })
      return answer.status === 400 && /IPv4 or IPv6/.test((await answer.json() as { message: string }).message)
    }), [])
    t.equal((await order('PUT', '/v1/bans/', { seconds: 60 })).status, 404)
  })

  await t.test('lists go through everything a page at a time, over all processes', async (t) => {
    const list = async <T>(path: string, name: string): Promise<{ entries: T[], pages: number }> => {
      const entries: T[] = []
      let pages = 0
      let after: string | undefined
      do {
        const response = await order('GET', `${path}${path.includes('?') ? '&' : '?'}limit=2${after === undefined ? '' : `&after=${encodeURIComponent(after)}`}`)
        t.equal(response.status, 200)
        const page = await response.json() as Record<string, T[]> & { next?: string }
        entries.push(...page[name] ?? [])
        after = page.next
        pages++
      } while (after !== undefined)
      return { entries, pages }
    }
    const mine = [await open(here, issuer.sign({ sub: 'pager' })), await open(there, issuer.sign({ sub: 'pager' })), await open(there, issuer.sign({ sub: 'pager' }))]
    const everybody = await list<{ connection_id: string, node: string, user_id: string }>('/v1/connections', 'connections')
    const ids = everybody.entries.map(({ connection_id: id }) => id)
    t.same(ids, [...new Set(ids)].toSorted(), 'each once, in the order of their ids')
    t.equal(everybody.entries.filter(({ user_id: user }) => user === 'pager').length, mine.length)
    t.equal(new Set(everybody.entries.map(({ node }) => node)).size, 2)
    t.equal(everybody.pages, Math.ceil(ids.length / 2))
    t.same((await list<{ user_id: string }>('/v1/connections?user_id=pager', 'connections')).entries.map(({ user_id: user }) => user), ['pager', 'pager', 'pager'])

    for (let n = 1; n <= 5; n++) {
      t.equal((await order('PUT', `/v1/bans/198.51.100.${n}`, { seconds: 60 * n })).status, 204)
      t.equal((await order('POST', '/v1/revocations', { jti: `listed-${n}`, ...(n === 1 ? { issuer: 'oidc' } : {}) })).status, 204)
    }
    const bans = await list<{ address: string, expires_at: string }>('/v1/bans', 'bans')
    t.same(bans.entries.map(({ address }) => address), [1, 2, 3, 4, 5].map(n => `198.51.100.${n}`), 'what ends first stands first')
    t.ok(Date.parse(bans.entries[0]?.expires_at ?? '') > Date.now())
    const revocations = await list<{ jti?: string, sid?: string, sub?: string, issuer?: string }>('/v1/revocations', 'revocations')
    t.match(revocations.entries.find(({ jti }) => jti === 'listed-1'), { issuer: 'oidc', expires_at: /T/ })
    t.equal(revocations.entries.filter(({ jti }) => jti?.startsWith('listed-')).length, 5)
    t.ok(revocations.entries.some(({ sid }) => sid === 'session-1'))
    t.equal((await order('DELETE', '/v1/revocations', { jti: 'listed-2' })).status, 204)
    t.notOk((await list<{ jti?: string }>('/v1/revocations', 'revocations')).entries.some(({ jti }) => jti === 'listed-2'), 'one that was taken back is not listed')
    const malformed = ['/v1/bans?limit=0', '/v1/bans?limit=1001', '/v1/revocations?limit=x', '/v1/connections?limit=-1', '/v1/bans?after=nonsense', '/v1/revocations?after=', `/v1/connections?after=${'x'.repeat(200)}`]
    t.same(await offenders(malformed, async path => (await order('GET', path)).status === 400), [])
    t.same(await offenders(['/v1/bans?limit=1000', '/v1/revocations?limit=1', '/v1/connections?limit=1000'], async path => (await order('GET', path)).status === 200), [])
  })

  await t.test('each action is a line of the log: what, whom and from which address; what only asks is none', async (t) => {
    const actions = (): unknown[] => here.log.filter(line => line.event === 'admin.action').map(({ action, target, status }) => [action, target, status])
    const before = actions().length
    const told = [
      ['ban', '198.51.100.77', 204], ['unban', '198.51.100.77', 204], ['revoke', 'sub:told', 204], ['unrevoke', 'sub:told', 204],
      ['disconnect', 'told/user', 204], ['recheck', 'told', 204], ['recheck', '*', 204]
    ]
    await order('PUT', '/v1/bans/198.51.100.77', { seconds: 5 })
    await order('DELETE', '/v1/bans/198.51.100.77')
    await order('POST', '/v1/revocations', { sub: 'told', issuer: 'oidc' })
    await order('DELETE', '/v1/revocations', { sub: 'told' })
    await order('DELETE', '/v1/users/told%2Fuser/connections')
    await order('POST', '/v1/recheck?user_id=told')
    await order('POST', '/v1/recheck')
    await order('GET', '/v1/bans')
    await here.waitForLog('admin.action', line => line['target'] === '*')
    t.same(actions().slice(before), told)
    t.match(here.log.find(line => line['target'] === '198.51.100.77'), { level: 'info', ip: '127.0.0.1', duration_ms: 5000 })
    t.match(here.log.find(line => line['target'] === 'sub:told'), { issuer: 'oidc' })
    t.same(there.log.filter(line => line.event === 'admin.action'), [], 'at the process that was asked')
    t.notMatch(here.stdout(), ADMIN_TOKEN)
  })

  await t.test('an order that Redis cannot keep is 503, and malformed ones are 400', async (t) => {
    t.equal((await order('POST', '/v1/revocations', { jti: 'a', sub: 'b' })).status, 400)
    t.equal((await order('PUT', '/v1/bans/nowhere', { seconds: 1 })).status, 400)
    redis.pause()
    t.teardown(() => { redis.resume() })
    const answer = await order('POST', '/v1/revocations', { jti: 'lost' })
    const cause = /^Redis cannot do it now: it (?:does not answer in time|cannot be reached)/
    t.match({ status: answer.status, body: await answer.json() }, { status: 503, body: { error: 'unavailable', message: cause } })
    t.match(await here.waitForLog('admin.action', line => line['target'] === 'jti:lost'), { action: 'revoke', status: 503, detail: cause })
    for (const path of ['/v1/bans', '/v1/revocations', '/v1/connections']) t.equal((await order('GET', path)).status, 503, path)
  })
})
