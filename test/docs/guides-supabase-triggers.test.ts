import postgres from 'postgres'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'
import { readGuideFile } from './guide-commands.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const [ALICE, TEAM, TASK] = ['a', 'b', 'c'].map(letter => `${letter}0000000-0000-4000-8000-000000000001`)

/**
 * What a project has before the guide's files, and in the place of pg_net and Vault, which are in no package: the same functions and
 * columns. A request is a notification, which Postgres sends once the transaction has committed, as pg_net does.
 */
const PROJECT = `
  create role anon nologin noinherit; create role authenticated nologin noinherit; create role authenticator login noinherit;
  grant anon, authenticated to authenticator;
  create schema auth; grant usage on schema auth, public to anon, authenticated;
  create table auth.users (id uuid primary key);
  create function auth.uid () returns uuid language sql stable as $$
    select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
  create schema vault; create table vault.decrypted_secrets (name text, decrypted_secret text);
  create schema net;
  create function net.http_post (url text, body jsonb default '{}', params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds int default 5000)
    returns bigint language sql as $$ select 1::bigint from pg_notify('net', json_build_object('url', url, 'body', body, 'headers', headers)::text) $$;`

t.test('who leaves a team loses its rows at once, and a change of a task is an event of it', async (t) => {
  const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
  const sql = postgres(database.url('postgres'), { max: 1, onnotice: () => {} })
  t.teardown(async () => { await sql.end({ timeout: 1 }) })
  const triggers = readGuideFile('supabase-triggers.sql')
  // It says that it can be run again.
  for (const text of [PROJECT, readGuideFile('supabase.sql'), readGuideFile('supabase-login.sql'), triggers, triggers]) await sql.unsafe(text).simple()
  const gateway = await startGateway(t, {
    JWT_ISSUER: issuer.issuer,
    JWT_AUDIENCE: issuer.audience,
    JWT_JWKS_URI: issuer.jwksUri,
    PUBLISH_KEY,
    WS_AUTHORIZER: 'postgres',
    DATABASE_URL: database.url('portcullis_login'),
    // None but the trigger's.
    WS_ACCESS_RECHECK_S: '3600',
    WS_UPGRADE_DEADLINE_MS: '60000'
  })
  await sql`insert into vault.decrypted_secrets values ('portcullis_url', ${`http://127.0.0.1:${gateway.port}`}), ('portcullis_publish_key', ${PUBLISH_KEY})`
  const statuses: number[] = []
  await sql.listen('net', (text) => {
    const { url, body, headers } = JSON.parse(text) as { url: string, body: unknown, headers: Record<string, string> }
    void fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).then(({ status }) => { statuses.push(status) })
  })
  await sql.unsafe(`
    insert into auth.users values ('${ALICE}'); insert into public.teams values ('${TEAM}', 'a team');
    insert into public.team_members values ('${TEAM}', '${ALICE}'); insert into public.tasks values ('${TASK}', '${TEAM}', 'a task');`).simple()
  await until('the gateway has answered both', () => statuses.length === 2)

  const client = await connect(t, gateway, `/ws?task_ids=${TASK}&token=${issuer.sign({ sub: ALICE })}`, { from: freshAddress() })
  t.match(await client.nextOf('subscribed'), { task_ids: [TASK] })
  await sql`update public.tasks set title = 'another title' where id = ${TASK ?? ''}`
  t.match(await client.nextOf('event'), { topic: `task:${TASK}`, event: 'update', data: { id: TASK, team_id: TEAM, title: 'another title' } })
  await t.rejects(sql.begin(async (transaction) => {
    await transaction`update public.tasks set title = 'never so' where id = ${TASK ?? ''}`
    throw new Error('rolled back')
  }), { message: 'rolled back' })
  await sql`delete from public.team_members where user_id = ${ALICE ?? ''}`
  t.match(await client.next(), { type: 'error', error: 'forbidden' }, 'and nothing of what was rolled back')
  await until('the gateway has answered all', () => statuses.length === 4)
  t.same(statuses, [202, 202, 202, 202])
  const [called] = await sql`select has_function_privilege('authenticated', 'portcullis.post(text, jsonb)', 'execute') as may`
  t.equal(called?.['may'], false, 'no user of the project may send with the key')
})
