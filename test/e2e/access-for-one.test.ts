import postgres from 'postgres'
import t from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// What one user's trouble with the database costs the others: with the limits as they are by default, and attackers that
// come from many addresses.

const AGENT = 'a0000000-0000-4000-8000-0000000000a1'
const ACME = 'a0000000-0000-4000-8000-000000000001'
/** A check may take half of it: whoever waits for an attacker waits at least that long. */
const DEADLINE_MS = 20_000
const CHECK_MS = DEADLINE_MS / 2

const [database, redis, issuer] = await Promise.all([startPostgres(t), startRedis(t), startIssuer(t)])
const name = await database.createSample('one')
const sql = postgres(database.url('postgres', name), { max: 2, onnotice: () => {} })
t.teardown(async () => { await sql.end({ timeout: 1 }) })
const gateway = await startGateway(t, {
  ...trust(issuer),
  REDIS_URL: redis.url,
  WS_AUTHORIZER: 'postgres',
  DATABASE_URL: database.url('portcullis_login', name),
  WS_UPGRADE_DEADLINE_MS: String(DEADLINE_MS),
  WS_ACCESS_RECHECK_S: '1'
})

const join = async (user: string): Promise<void> => { await sql`insert into public.memberships (organization_id, user_id) values (${ACME}, ${user}) on conflict do nothing` }
const open = async (user: string, claims: object = {}): Promise<TestClient> => {
  const client = await connect(t, gateway, `/ws?agent_ids=${AGENT}&token=${issuer.sign({ sub: user, ...claims })}`, { from: freshAddress() })
  await client.nextOf('subscribed')
  return client
}

/** Opens connections of many users, a few at a time, and returns the longest wait in ms. Rejects when one is refused. */
async function openMany (users: readonly string[]): Promise<number> {
  let worstMs = 0
  for (let at = 0; at < users.length; at += 4) {
    await Promise.all(users.slice(at, at + 4).map(async (user) => {
      const startedMs = performance.now()
      const client = await open(user)
      worstMs = Math.max(worstMs, performance.now() - startedMs)
      client.socket.terminate()
    }))
  }
  return worstMs
}

t.test('a policy that is slow for some users costs the others neither their attempts nor their connections, nor the checks of their rights', async (t) => {
  const attackers = ['eve0', 'eve1']
  const victims = Array.from({ length: 20 }, (_, n) => `victim${n}`)
  await Promise.all([...attackers, ...victims].map(join))
  const opened = await open('victim0')
  const withdrawn = await open('victim1')
  for (const attacker of attackers) for (const n of [1, 2, 3]) await open(attacker, { n })
  await sql.unsafe(`create or replace function app.user_id () returns text language plpgsql volatile as $$
    declare sub text := nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub';
    begin
      if sub like 'eve%' then perform pg_catalog.pg_sleep(600); end if;
      return sub;
    end $$`)
  for (const attacker of attackers) {
    for (let n = 0; n < 6; n++) {
      const path = `/ws?agent_ids=${n % 2 === 0 ? AGENT : '*'}&token=${issuer.sign({ sub: attacker, n: n + 10 })}`
      connect(t, gateway, path, { from: freshAddress() }).catch(() => {})
    }
  }
  await until('her questions are asked', async () => {
    const [row] = await database.admin<Array<{ count: number }>>`select count(*)::int from pg_stat_activity where wait_event = 'PgSleep'`
    return (row?.count ?? 0) >= 2
  })
  const worstMs = await openMany(victims.slice(2))
  t.ok(worstMs < CHECK_MS, `the longest wait was ${Math.round(worstMs)} ms`)
  await sql`delete from public.memberships where user_id = 'victim1'`
  t.match(await withdrawn.nextOf('error'), { error: 'forbidden' }, 'a right withdrawn is seen meanwhile')
  opened.send({ type: 'subscribe', id: 's', agent_ids: [AGENT] })
  t.match(await opened.next(), { type: 'subscribed', id: 's' })
  const asleep = await database.admin`select pid from pg_stat_activity where wait_event = 'PgSleep'`
  t.ok(asleep.length <= 3 * attackers.length, `each has two of ten connections, and one for re-checks: ${asleep.length}`)
  await sql.unsafe(`create or replace function app.user_id () returns text language sql stable
    as $$ select nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' $$`)
})

/** Orders one recheck after the other until the work is done; resolves with how many. */
async function storm (userOf: (n: number) => string, work: () => Promise<void>): Promise<number> {
  const done = new AbortController()
  let orders = 0
  const ordering = (async (): Promise<void> => {
    while (!done.signal.aborted) await redis.client.publish('ws:control', JSON.stringify({ type: 'recheck', user_id: userOf(orders++) }))
  })()
  await work().finally(() => { done.abort() })
  await ordering
  return orders
}

t.test('a storm of rechecks for others refuses nobody', async (t) => {
  const users = Array.from({ length: 24 }, (_, n) => `calm${n}`)
  await Promise.all(users.map(join))
  let worstMs = 0
  const orders = await storm(n => `other${n % 500}`, async () => { worstMs = await openMany(users) })
  t.ok(worstMs < CHECK_MS, `the longest wait was ${Math.round(worstMs)} ms, beside ${orders} orders`)
})

t.test('a storm of rechecks for a user refuses not even that user', async (t) => {
  await join('calm')
  let worstMs = 0
  await storm(() => 'calm', async () => { worstMs = await openMany(Array.from({ length: 12 }, () => 'calm')) })
  t.ok(worstMs < CHECK_MS, `the longest wait was ${Math.round(worstMs)} ms`)
})
