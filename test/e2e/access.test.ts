import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { runGateway, startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { startRedis } from '../support/redis.js'

const ACME = { agent: 'a0000000-0000-4000-8000-0000000000a1', agent2: 'a0000000-0000-4000-8000-0000000000a2', task: 'a0000000-0000-4000-8000-0000000000f1' }
const GLOBEX = { agent: 'b0000000-0000-4000-8000-0000000000a1' }
const NOBODY = { agent: '00000000-0000-4000-8000-0000000000a1' }
const RAISED = { WS_UPGRADE_DEADLINE_MS: '60000', WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000' }

t.test('Row Level Security decides', { timeout: 90_000 }, async (t) => {
  const [database, redis, issuer] = await Promise.all([startPostgres(t), startRedis(t), startIssuer(t)])
  const name = await database.createSample('gateway')
  const env = { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_ACCESS_RECHECK_S: '1' }
  const gateways = await Promise.all([startGateway(t, env), startGateway(t, { ...env, WS_ACCESS_RECHECK_S: '3600' })])
  const [gateway, slow] = gateways
  const token = (sub: string, more: object = {}): string => issuer.sign({ sub, ...more })

  await t.test('a member sees what belongs to the tenant, and only that', async (t) => {
    const client = await connect(t, gateway, `/ws?agent_ids=${ACME.agent}&task_ids=${ACME.task}&token=${token('alice')}`, { from: freshAddress() })
    t.match(await client.nextOf('subscribed'), { agent_ids: [ACME.agent], task_ids: [ACME.task] })
    for (const id of [GLOBEX.agent, NOBODY.agent, 'a0000000-0000-4000-8000-00000000dead', 'not-a-uuid']) {
      const refused = await connectRefused(t, gateway, `/ws?agent_ids=${ACME.agent},${id}&token=${token('alice')}`, { from: freshAddress() })
      t.equal(refused.status, 403, id)
      t.same(refused.body, { error: 'forbidden', message: 'not allowed, or no such thing' }, 'foreign, missing and impossible ids look alike')
    }
  })

  await t.test('* lists what the user may see now', async (t) => {
    const client = await connect(t, gateway, `/ws?agent_ids=*&token=${token('alice')}`, { from: freshAddress() })
    const subscribed = await client.nextOf('subscribed')
    t.same([...subscribed['agent_ids'] as string[]].sort(), [ACME.agent, ACME.agent2])
  })

  await t.test('the claim role of a token does not choose the database role', async (t) => {
    const refused = await connectRefused(t, gateway, `/ws?agent_ids=${GLOBEX.agent}&token=${token('alice', { role: 'postgres' })}`, { from: freshAddress() })
    t.equal(refused.status, 403)
  })

  await t.test('hundreds of interleaved connections of two tenants, none crossing', async (t) => {
    const results = await Promise.all(Array.from({ length: 200 }, async (_, n) => {
      const [sub, own, other] = n % 2 === 0 ? ['alice', ACME.agent, GLOBEX.agent] : ['bob', GLOBEX.agent, ACME.agent]
      if (n % 4 < 2) {
        const refused = await connectRefused(t, gateway, `/ws?agent_ids=${other}&token=${token(sub ?? '', { n })}`, { from: freshAddress() })
        return refused.status === 403
      }
      const client = await connect(t, gateway, `/ws?agent_ids=*&token=${token(sub ?? '', { n })}`, { from: freshAddress() })
      const ids = (await client.nextOf('subscribed'))['agent_ids'] as string[]
      client.socket.terminate()
      return ids.includes(own ?? '') && !ids.includes(other ?? '')
    }))
    t.equal(results.filter(right => !right).length, 0)
  })

  await t.test('a right withdrawn ends live subscriptions on both processes: within the period, or at once when the back end says so', async (t) => {
    const open = async (where: typeof gateway): ReturnType<typeof connect> => {
      const client = await connect(t, where, `/ws?agent_ids=${ACME.agent}&token=${token('carol')}`, { from: freshAddress() })
      await client.nextOf('subscribed')
      return client
    }
    const [first, second] = [await open(gateway), await open(slow)]
    await withDatabase(database.url('postgres', name), 'delete from public.memberships where user_id = \'carol\'')
    t.match(await first.nextOf('error'), { error: 'forbidden', message: new RegExp(ACME.agent) })
    await redis.client.publish('ws:control', JSON.stringify({ type: 'recheck', user_id: 'carol' }))
    t.match(await second.nextOf('error'), { error: 'forbidden' })
    await gateway.waitForLog('access.denied', line => line['user_id'] === 'carol')
    await redis.client.publish(`ws:topic:agent:${ACME.agent}`, JSON.stringify({ event: 'secret', data: 1 }))
    for (const client of [first, second]) {
      client.send({ type: 'ping', id: 'after' })
      t.match(await client.next(), { type: 'pong', id: 'after' }, 'no event came after the right was gone')
      client.send({ type: 'subscribe', id: 'again', agent_ids: [ACME.agent] })
      t.match(await client.next(), { type: 'error', id: 'again', error: 'forbidden' })
    }
  })

  await t.test('without its database the gateway lets nobody see anything, and says unavailable', async (t) => {
    await database.stop()
    const refused = await connectRefused(t, gateway, `/ws?agent_ids=${ACME.agent}&token=${token('alice', { fresh: 1 })}`, { from: freshAddress() })
    t.equal(refused.status, 503)
    t.equal(refused.body['error'], 'unavailable')
    const client = await connect(t, gateway, `/ws?token=${token('alice')}`, { from: freshAddress() })
    t.equal((await client.next()).type, 'welcome', 'who asks for nothing needs no database')
  })
})

async function withDatabase (url: string, statement: string): Promise<void> {
  const { default: postgres } = await import('postgres')
  const sql = postgres(url, { max: 1 })
  await sql.unsafe(statement)
  await sql.end()
}

t.test('a login that would not be held by the policies is refused at start, with every reason', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
  const name = await database.createSample('unsafe')
  await withDatabase(database.url('postgres', name), 'alter table public.tasks disable row level security')
  const { code, stderr } = await runGateway({ ...trust(issuer), PORT: '0', ADMIN_PORT: '0', WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('postgres', name) })
  t.equal(code, 1)
  t.match(stderr, /superuser/i)
  t.match(stderr, /tasks/)
  t.notMatch(stderr, / {4}at /, 'a sentence, not a stack')
})

t.test('Supabase decides through PostgREST with the user\'s own token', { timeout: 60_000 }, async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t, { preset: 'supabase' })])
  const name = await database.createSample('supabase')
  const postgrest = await startPostgrest(t, { databaseUrl: database.url('portcullis_login', name), key: issuer.newestKey().publicKey.export({ type: 'spki', format: 'pem' }) as string })
  const gateway = await startGateway(t, {
    ...RAISED, ...trust(issuer), JWT_AUDIENCE: 'authenticated', WS_AUTHORIZER: 'supabase', SUPABASE_URL: postgrest.url, SUPABASE_ANON_KEY: postgrest.anonKey, WS_ACCESS_ISSUER: 'oidc'
  }, { ready: false })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'oidc')
  const token = issuer.sign({ sub: 'alice', role: 'authenticated' })
  const client = await connect(t, gateway, `/ws?agent_ids=${ACME.agent}&token=${token}`, { from: freshAddress() })
  t.match(await client.nextOf('subscribed'), { agent_ids: [ACME.agent] })
  const refused = await connectRefused(t, gateway, `/ws?agent_ids=${GLOBEX.agent}&token=${token}`, { from: freshAddress() })
  t.equal(refused.status, 403)
})
