import postgres from 'postgres'
import t from 'tap'
import { trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPgbouncer } from '../support/pgbouncer.js'
import { startPostgres } from '../support/postgres.js'
import { startPostgrest } from '../support/postgrest.js'
import { runBuiltCheck, runCheck } from './run-cli.js'

const [issuer, server] = await Promise.all([startIssuer(t), startPostgres(t)])
const sample = await server.createSample('sample')

t.test('Postgres is inspected as a start does, and everything unsafe is named', async (t) => {
  const env = { ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: server.url('portcullis_login', sample) }
  const good = await runBuiltCheck(env)
  t.equal(good.code, 0)
  t.match(good.find('database'), { verdict: 'ok', reason: 'row level security protects public.agents and public.tasks from the role authenticated' })
  const unsafe = await runCheck({ ...env, DATABASE_URL: server.url('postgres', sample), WS_PG_TASKS: 'public.nothing' })
  t.equal(unsafe.code, 1)
  t.match(unsafe.find('database'), { verdict: 'fail', reason: /the login role postgres is superuser.*public\.nothing does not exist/ })
})

t.test('a path that others may write to, and what role and database leave to every session, are warnings', async (t) => {
  const name = await server.createSample('warned')
  const owner = postgres(server.url('postgres', name), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end({ timeout: 1 }))
  const warnings = async (): Promise<string[]> => {
    const { code, checks } = await runCheck({ ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: server.url('portcullis_login', name) })
    t.equal(code, 0, 'they keep nobody out')
    return checks.filter(({ part, verdict }) => part === 'database' && verdict === 'warn').map(({ reason }) => reason)
  }
  t.same(await warnings(), [])
  await owner.unsafe('grant create on schema public to public')
  await owner.unsafe(`alter role portcullis_login in database ${name} set app.tenant = 'x'`)
  const told = await warnings()
  t.match(told.find(line => line.includes('schema public')), /every role may create in/)
  t.match(told.find(line => line.includes('app.tenant')), /portcullis_login/)
  t.equal(told.length, 2, told.join('\n'))
})

t.test('a database that is not there is told, without the address and its password', async (t) => {
  const DATABASE_URL = server.url('portcullis_login', 'no-such-database').replace('portcullis_login@', 'portcullis_login:pass-of-login@')
  const { code, find, output } = await runCheck({ ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL, WS_UPGRADE_DEADLINE_MS: '10000' })
  t.equal(code, 1)
  t.match(find('database'), { verdict: 'fail', reason: /^Postgres: there is no database of that name \(database_missing 3D000\)/ })
  t.notMatch(output, 'pass-of-login')
})

t.test('a real question is asked as WS_PG_ROLE, through a pooler as well, and what fails in it is found', async (t) => {
  const name = await server.createSample('asked')
  const owner = postgres(server.url('postgres', name), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end({ timeout: 1 }))
  const pooler = await startPgbouncer(t, server)
  const replace = async (body: string): Promise<void> => {
    await owner.unsafe(`create or replace function app.user_id () returns text language plpgsql stable as $$ begin ${body}; end $$`)
  }
  const env = { ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: pooler.url('portcullis_login', name), WS_UPGRADE_DEADLINE_MS: '60000' }
  const asked = async (more: Readonly<Record<string, string>> = {}): Promise<string> => {
    const { code, find, output } = await runCheck({ ...env, ...more })
    const { verdict, reason } = find('database', 'asked as authenticated with made-up claims') ?? { verdict: 'none', reason: output }
    t.equal(code, verdict === 'fail' ? 1 : 0)
    return `${verdict} ${reason}`
  }
  t.equal(await asked(), 'ok asked as authenticated with made-up claims: it answers')
  await replace('raise exception \'the-secret\'')
  const raised = await asked()
  t.match(raised, /^fail .*raised an error \(policy_raised P0001\)/)
  t.notMatch(raised, 'the-secret')
  t.match(await asked({ DATABASE_URL: server.url('portcullis_login', name) }), 'policy_raised P0001', 'without the pooler too')
  await replace('return public.dead_function()')
  t.match(await asked(), /^fail .*\(missing 42883\)/)
  await replace('return (select count(*)::text from public.gone)')
  t.match(await asked(), /^fail .*\(missing 42P01\)/)
  await replace('return current_setting(\'request.jwt.claims\', true)::jsonb ->> \'sub\'')
  await owner.unsafe('revoke execute on function app.user_id () from authenticated, public')
  t.match(await asked(), /^fail .*\(denied 42501\)/)
  await owner.unsafe('grant execute on function app.user_id () to authenticated')
  for (const type of ['uuid', 'bigint']) {
    await replace(`return (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::${type}::text`)
    t.match(await asked(), /^ok /, `a sub that must be ${type} is no fault`)
  }
})

t.test('Supabase is asked for each table with the anon key, which is not shown', async (t) => {
  const postgrest = await startPostgrest(t, { databaseUrl: server.adminUrl, key: 'a-secret-of-the-project-of-32-bytes' })
  const project = await startIssuer(t, { preset: 'supabase' })
  const env = { ...trust(project), SUPABASE_URL: postgrest.url, SUPABASE_ANON_KEY: postgrest.anonKey, WS_AUTHORIZER: 'supabase', WS_ACCESS_ISSUER: 'supabase' }
  postgrest.answerWith({ status: 200, headers: { 'content-type': 'application/json' }, body: '[]' })
  const good = await runCheck(env)
  t.same(good.checks.filter(({ part }) => part === 'database').map(({ verdict, reason }) => `${verdict} ${reason}`), [
    'ok PostgREST answers for public.agents', 'ok PostgREST answers for public.tasks'
  ])
  t.notMatch(good.output, postgrest.anonKey)
  postgrest.answerWith({ status: 200, headers: { 'content-type': 'application/json' }, body: '[{"id":"a"}]' })
  const exposed = await runCheck(env)
  t.match(exposed.find('database', 'the anon key alone sees rows of public.agents'), { verdict: 'warn' })
  postgrest.answerWith({ status: 404, body: '{}' })
  const missing = await runCheck(env)
  t.equal(missing.code, 1)
  t.match(missing.find('database', 'public.agents'), { verdict: 'fail', reason: 'PostgREST answered 404' })
})
