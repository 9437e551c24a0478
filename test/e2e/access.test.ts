import postgres from 'postgres'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { runGateway, startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const ACME = { agent: 'a0000000-0000-4000-8000-0000000000a1', agent2: 'a0000000-0000-4000-8000-0000000000a2', task: 'a0000000-0000-4000-8000-0000000000f1' }
const GLOBEX = { agent: 'b0000000-0000-4000-8000-0000000000a1' }
const NOBODY = { agent: '00000000-0000-4000-8000-0000000000a1' }
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const RAISED = { WS_UPGRADE_DEADLINE_MS: '60000', WS_IP_CONNECTIONS: '100000', WS_USER_CONNECTIONS: '1000' }

t.test('Row Level Security decides', async (t) => {
  const [database, redis, issuer] = await Promise.all([startPostgres(t), startRedis(t), startIssuer(t)])
  const name = await database.createSample('gateway')
  const env = { ...trust(issuer), ...RAISED, REDIS_URL: redis.url, WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_ACCESS_RECHECK_S: '1', ADMIN_TOKEN }
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

  await t.test('what is ordered while a check is under way counts', async (t) => {
    const sql = async (statement: string): Promise<void> => { await withDatabase(database.url('postgres', name), statement) }
    // A policy that waits for the test where the token says so, so that orders overtake it.
    await sql(`create or replace function app.user_id () returns text language plpgsql volatile as $$
      declare claims jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
      begin
        if claims ? 'held' then perform pg_advisory_xact_lock_shared(1); end if;
        return claims ->> 'sub';
      end $$`)
    const holder = postgres(database.url('postgres', name), { max: 1 })
    t.teardown(async () => { await holder.end() })
    /** Holds checks of tokens that say so from here until `act` has resolved, which runs once one waits. */
    const whileHeld = async <T>(ask: () => T, act: () => Promise<void>): Promise<T> => {
      await holder`select pg_advisory_lock(1)`
      const asked = ask()
      await until('a check is under way', async () => {
        const [row] = await database.admin<Array<{ count: number }>>`select count(*)::int from pg_stat_activity where wait_event = 'advisory'`
        return (row?.count ?? 0) > 0
      })
      await act()
      await holder`select pg_advisory_unlock(1)`
      return asked
    }
    const order = async (method: string, path: string, body?: unknown): Promise<void> => {
      const init = { method, headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
      t.equal((await slow.admin(path, init)).status, 204, path)
    }
    const member = (who: string): string => `insert into public.memberships (organization_id, user_id) values ('a0000000-0000-4000-8000-000000000001', '${who}')`
    const leave = (who: string): string => `delete from public.memberships where user_id = '${who}'`

    await t.test('a token revoked, a user disconnected, an address banned: the upgrade that waits is refused', async (t) => {
      for (const [what, status, error] of [['revoke', 401, 'revoked'], ['disconnect', 403, 'forbidden'], ['ban', 403, 'banned']] as const) {
        await sql(member(what))
        const from = freshAddress()
        const path = `/ws?agent_ids=${ACME.agent}&token=${token(what, { held: true, jti: what })}`
        const refused = await whileHeld(async () => await connectRefused(t, slow, path, { from }), async () => {
          if (what === 'revoke') await order('POST', '/v1/revocations', { jti: what })
          if (what === 'disconnect') await order('DELETE', `/v1/users/${what}/connections`)
          if (what === 'ban') await order('PUT', `/v1/bans/${from}`, { seconds: 60 })
        })
        t.match(refused, { status, body: { error } }, what)
      }
    })

    await t.test('a right withdrawn while a subscribe waits is not granted by it', async (t) => {
      await sql(member('dora'))
      const client = await connect(t, slow, `/ws?token=${token('dora', { held: true })}`, { from: freshAddress() })
      await client.nextOf('welcome')
      await whileHeld(() => { client.send({ type: 'subscribe', id: '1', agent_ids: [ACME.agent] }) }, async () => {
        await sql(leave('dora'))
        await order('POST', '/v1/recheck?user_id=dora')
      })
      t.match(await client.next(), { type: 'error', id: '1', error: 'forbidden' })
    })

    await t.test('a new token is what decides, also about what was asked for with the old one', async (t) => {
      await sql(member('eve'))
      const client = await connect(t, slow, `/ws?token=${token('eve', { held: true })}`, { from: freshAddress() })
      await client.nextOf('welcome')
      await sql(`create policy assurance on public.agents as restrictive for select to authenticated
        using (coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'low', '') = '')`)
      const ask = (): void => {
        client.send({ type: 'subscribe', id: '1', agent_ids: [ACME.agent] })
        client.send({ type: 'refresh', id: '2', token: token('eve', { low: 'yes' }) })
      }
      // The gateway answers another client once it has read both frames.
      await whileHeld(ask, async () => { await connect(t, slow, `/ws?token=${token('eve')}`, { from: freshAddress() }) })
      t.match(await client.nextOf('error'), { id: '1', error: 'forbidden' })
      await sql('drop policy assurance on public.agents')
    })

    await t.test('what is remembered of a right does not outlive the word that rights changed', async (t) => {
      await sql(member('finn'))
      const client = await connect(t, slow, `/ws?agent_ids=${ACME.agent}&token=${token('finn')}`, { from: freshAddress() })
      await client.nextOf('subscribed')
      client.send({ type: 'unsubscribe', agent_ids: ['*'] })
      await client.nextOf('unsubscribed')
      await sql(leave('finn'))
      await order('POST', '/v1/recheck?user_id=finn')
      client.send({ type: 'subscribe', id: 'again', agent_ids: [ACME.agent] })
      t.match(await client.next(), { type: 'error', id: 'again', error: 'forbidden' })
    })
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

t.test('Supabase decides through PostgREST with the user\'s own token', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t, { preset: 'supabase' })])
  const name = await database.createSample('supabase')
  const postgrest = await startPostgrest(t, { databaseUrl: database.url('portcullis_login', name), key: issuer.newestKey().publicKey.export({ type: 'spki', format: 'pem' }) as string })
  const gateway = await startGateway(t, {
    ...RAISED, ...trust(issuer), JWT_AUDIENCE: 'authenticated', WS_AUTHORIZER: 'supabase', SUPABASE_URL: postgrest.url, SUPABASE_ANON_KEY: postgrest.anonKey, WS_ACCESS_ISSUER: 'oidc', WS_ACCESS_RECHECK_S: '1'
  }, { ready: false })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'oidc')
  const token = issuer.sign({ sub: 'alice', role: 'authenticated' })
  const client = await connect(t, gateway, `/ws?agent_ids=${ACME.agent}&token=${token}`, { from: freshAddress() })
  t.match(await client.nextOf('subscribed'), { agent_ids: [ACME.agent] })
  const refused = await connectRefused(t, gateway, `/ws?agent_ids=${GLOBEX.agent}&token=${token}`, { from: freshAddress() })
  t.equal(refused.status, 403)

  await t.test('a row that becomes public is given to nobody, row security that goes takes its table, and no connection ends', async (t) => {
    const bob = await connect(t, gateway, `/ws?agent_ids=${GLOBEX.agent}&token=${issuer.sign({ sub: 'bob', role: 'authenticated' })}`, { from: freshAddress() })
    await bob.nextOf('subscribed')
    await withDatabase(database.url('postgres', name), `create role anon nologin; grant anon to portcullis_login; grant usage on schema public to anon;
      grant select (id) on public.agents, public.tasks to anon; create policy shown on public.agents for select to anon using (id = '${ACME.agent}')`)
    t.match(await client.nextOf('error'), { error: 'forbidden', message: /no longer allowed/ })
    await gateway.waitForLog('access.warning', line => String(line['reason']).startsWith('the anon key alone sees rows of public.agents'))
    const one = await connectRefused(t, gateway, `/ws?agent_ids=${ACME.agent}&token=${token}`, { from: freshAddress() })
    t.equal(one.status, 403)
    await connect(t, gateway, `/ws?agent_ids=${GLOBEX.agent}&token=${issuer.sign({ sub: 'bob', role: 'authenticated' })}`, { from: freshAddress() })
    t.equal((await gateway.admin('/readyz')).status, 200)
    await withDatabase(database.url('postgres', name), 'alter table public.agents disable row level security')
    t.match(await bob.nextOf('error'), { error: 'forbidden', message: /no longer allowed/ })
    for (const agent of [ACME.agent, GLOBEX.agent]) {
      t.equal((await connectRefused(t, gateway, `/ws?agent_ids=${agent}&token=${token}`, { from: freshAddress() })).status, 403, agent)
    }
    bob.send({ type: 'ping', id: '1' })
    t.match(await bob.nextOf('pong'), { id: '1' })
    t.same(gateway.log.filter(({ event }) => event === 'access.unsafe' || event === 'connection.closed'), [])
  })
})
