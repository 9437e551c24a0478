import { once } from 'node:events'
import { createServer, request as requestHttp } from 'node:http'
import type { AddressInfo } from 'node:net'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { signHmacToken, startIssuer, type TestIssuer } from '../support/issuer.js'
import { startPostgres, type TestPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { codeBlocks, readDocument } from './documents.js'
import { readGuideFile } from './guide-commands.js'

const GUIDE = readDocument('guides/supabase.md')
const SECRET = 'the-legacy-secret-of-a-project-of-the-tests'
const RAISED = { WS_UPGRADE_DEADLINE_MS: '60000' }

/** What a Supabase project has before anybody adds to it, as far as the guide's SQL touches it. */
const PROJECT = `
  create role anon nologin noinherit; create role authenticated nologin noinherit;
  create role authenticator login noinherit; grant anon, authenticated to authenticator;
  create role supabase_auth_admin nologin noinherit;
  create schema auth; grant usage on schema auth, public to anon, authenticated;
  create table auth.users (id uuid primary key);
  create function auth.uid () returns uuid language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
      (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'))::uuid $$;
  alter default privileges in schema public grant all on tables to anon, authenticated;`

const id = (kind: string, n: number): string => `${kind}0000000-0000-4000-8000-00000000000${n}`
const [ALICE, BOB] = [id('a', 1), id('b', 1)]
const [ACME, GLOBEX] = [{ team: id('a', 2), agent: id('a', 3), task: id('a', 4) }, { team: id('b', 2), agent: id('b', 3), task: id('b', 4) }]
const rowsOf = ({ team, agent, task }: typeof ACME, user: string): string => `
  insert into auth.users values ('${user}');
  insert into public.teams values ('${team}', 'a team'); insert into public.team_members values ('${team}', '${user}');
  insert into public.agents values ('${agent}', '${team}', 'an agent'); insert into public.tasks values ('${task}', '${team}', 'a task');`

/** The settings of one block of the guide, as it writes them. */
function settingsOf (block: string): Record<string, string> {
  const text = new RegExp(`^\`\`\`sh settings ${block}\n([^]*?)^\`\`\`$`, 'm').exec(GUIDE)?.[1]
  if (text === undefined) throw new Error(`the guide has no settings ${block}`)
  return Object.fromEntries(text.trim().split('\n').map(line => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
}

async function makeProject (t: Test): Promise<TestPostgres> {
  const database = await startPostgres(t)
  const sql = postgres(database.url('postgres'), { max: 1, onnotice: () => {} })
  const hook = codeBlocks(GUIDE, 'sql').join('')
  // The first file twice: it says that it can be run again.
  for (const text of [PROJECT, readGuideFile('supabase.sql'), readGuideFile('supabase.sql'), readGuideFile('supabase-login.sql'), rowsOf(ACME, ALICE), rowsOf(GLOBEX, BOB), hook]) {
    await sql.unsafe(text).simple()
  }
  const [hooked] = await sql`select public.add_scope('{"claims":{"sub":"x"}}'::jsonb) as event`
  t.same(hooked?.['event'], { claims: { sub: 'x', scope: 'ws:send' } }, 'the hook adds the scope')
  await sql.end()
  return database
}

/** One address for both, as a project has: Auth and PostgREST, told apart by the path. */
async function startProject (t: Test, auth: string, rest: string): Promise<string> {
  const server = createServer((request, response) => {
    const target = new URL(request.url ?? '/', request.url?.startsWith('/auth/') === true ? auth : rest)
    request.pipe(requestHttp(target, { method: request.method ?? 'GET', headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const statusOf = async (t: Test, gateway: TestGateway, path: string, token: string): Promise<number> =>
  (await connectRefused(t, gateway, path, { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })).status

/** Alice sees her team's rows and nobody else's; a stranger sees none. */
async function expectPolicies (t: Test, gateway: TestGateway, tokenOf: (sub: string) => string): Promise<void> {
  const client = await connect(t, gateway, '/ws?agent_ids=*&task_ids=*', { from: freshAddress(), headers: { authorization: `Bearer ${tokenOf(ALICE)}` } })
  t.match(await client.nextOf('subscribed'), { agent_ids: [ACME.agent], task_ids: [ACME.task] })
  t.equal(await statusOf(t, gateway, `/ws?agent_ids=${GLOBEX.agent}`, tokenOf(ALICE)), 403)
  t.equal(await statusOf(t, gateway, `/ws?task_ids=${ACME.task}`, tokenOf(BOB)), 403)
  t.equal(await statusOf(t, gateway, `/ws?agent_ids=${ACME.agent}`, tokenOf(id('c', 1))), 403)
}

const claimsOf = (base: string, sub: string): Record<string, unknown> => {
  const nowS = Math.floor(Date.now() / 1000)
  const session = { role: 'authenticated', aal: 'aal1', session_id: id('d', 1), is_anonymous: false, email: 'user@example.com', app_metadata: { provider: 'email' } }
  return { iss: `${base}/auth/v1`, aud: 'authenticated', iat: nowS, exp: nowS + 3600, sub, ...session }
}

t.test('the guide\'s SQL and settings', async (t) => {
  const [database, issuer]: [TestPostgres, TestIssuer] = await Promise.all([makeProject(t), startIssuer(t, { preset: 'supabase', algorithm: 'ES256' })])
  const databaseUrl = database.url('authenticator')
  const keys = [issuer.newestKey().publicKey, SECRET]
  const [asymmetric, legacy] = await Promise.all(keys.map(async key => await startPostgrest(t, { databaseUrl, key })))
  const [base, legacyBase] = await Promise.all([asymmetric, legacy].map(async rest => await startProject(t, issuer.url, rest?.url ?? '')))
  if (base === undefined || legacyBase === undefined || asymmetric === undefined) throw new Error('no project')
  const anonKey = { SUPABASE_ANON_KEY: asymmetric.anonKey }
  const signed = (sub: string): string => issuer.sign(claimsOf(base, sub))
  const hmac = (sub: string): string => signHmacToken({ alg: 'HS256', typ: 'JWT' }, claimsOf(legacyBase, sub), SECRET)

  await t.test('asymmetric keys, PostgREST asked', async (t) => {
    const gateway = await startGateway(t, { ...RAISED, ...settingsOf('asymmetric'), ...settingsOf('supabase'), SUPABASE_URL: base, ...anonKey })
    await expectPolicies(t, gateway, signed)
    t.equal(await statusOf(t, gateway, '/ws', signHmacToken({ alg: 'HS256', typ: 'JWT' }, claimsOf(base, ALICE), SECRET)), 401, 'HS256 is not opted in')
    t.same(gateway.log.filter(({ event }) => event === 'access.warning'), [])
    const sql = postgres(database.url('postgres'), { max: 1 })
    t.teardown(() => sql.end({ timeout: 1 }))
    await sql`alter table public.agents disable row level security`
    for (const sub of [ALICE, BOB]) t.equal(await statusOf(t, gateway, `/ws?agent_ids=${ACME.agent}`, signed(sub)), 403, 'what everybody sees is given to nobody')
    await gateway.waitForLog('access.warning')
    await sql`alter table public.agents enable row level security`
    await expectPolicies(t, gateway, signed)
    t.same(settingsOf('public'), { SUPABASE_PUBLIC_TABLES: 'public.agents' })
  })

  await t.test('the legacy secret, PostgREST asked', async (t) => {
    const gateway = await startGateway(t, { ...RAISED, ...settingsOf('legacy'), ...settingsOf('supabase'), SUPABASE_URL: legacyBase, SUPABASE_JWT_SECRET: SECRET, ...anonKey }, { ready: false })
    await expectPolicies(t, gateway, hmac)
    const { iat, exp } = claimsOf(legacyBase, ALICE)
    for (const role of ['anon', 'service_role']) {
      const key = signHmacToken({ alg: 'HS256', typ: 'JWT' }, { iss: 'supabase', ref: 'abcdefghijklmnop', role, iat, exp }, SECRET)
      t.equal(await statusOf(t, gateway, '/ws', key), 401, `the key ${role} is no user`)
    }
    await gateway.waitForLog('token.service_key', line => line['detail'] === 'api_key: service_role')
    t.equal(gateway.log.filter(({ event }) => event === 'token.service_key').length, 1, 'the other key is no secret')
    await connect(t, gateway, '/ws', { from: freshAddress(), headers: { authorization: `Bearer ${issuer.sign(claimsOf(legacyBase, ALICE))}` } })
  })

  await t.test('self-hosted: tokens name another address than the one that is asked', async (t) => {
    const { SUPABASE_ISSUER = '', ...settings } = settingsOf('self-hosted')
    const gateway = await startGateway(t, {
      ...RAISED, ...settings, ...settingsOf('supabase'), SUPABASE_ISSUER, SUPABASE_URL: legacyBase, SUPABASE_JWT_SECRET: SECRET, ...anonKey
    }, { ready: false })
    const named = (iss: string | undefined) => (sub: string): string =>
      signHmacToken({ alg: 'HS256', typ: 'JWT' }, { ...claimsOf(legacyBase, sub), iss }, SECRET)
    await expectPolicies(t, gateway, named(SUPABASE_ISSUER))
    for (const iss of [undefined, `${legacyBase}/auth/v1`]) t.equal(await statusOf(t, gateway, '/ws', named(iss)(ALICE)), 401, String(iss))
  })

  await t.test('asymmetric keys, the database asked', async (t) => {
    const gateway = await startGateway(t, { ...RAISED, ...settingsOf('asymmetric'), ...settingsOf('postgres'), SUPABASE_URL: base, DATABASE_URL: database.url('portcullis_login') })
    await expectPolicies(t, gateway, signed)
    await expectPolicies(t, gateway, sub => issuer.sign({ ...claimsOf(base, sub), role: 'service_role' }))
  })
})
