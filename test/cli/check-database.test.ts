import t from 'tap'
import { trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
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

t.test('a database that is not there is told, without the address and its password', async (t) => {
  const DATABASE_URL = server.url('portcullis_login', 'no-such-database').replace('portcullis_login@', 'portcullis_login:pass-of-login@')
  const { code, find, output } = await runCheck({ ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL, WS_UPGRADE_DEADLINE_MS: '10000' })
  t.equal(code, 1)
  t.match(find('database'), { verdict: 'fail', reason: 'Postgres: ' })
  t.notMatch(output, 'pass-of-login')
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
