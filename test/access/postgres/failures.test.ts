import { isDeepStrictEqual } from 'node:util'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { AccessError, UnsafeDatabaseError } from '../../../src/access/access-error.js'
import { createPostgresAuthorizer, type PostgresAccessSettings, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { checkRows, type CheckRequest } from '../../../src/access/postgres/check.js'
import { inspectSafeguards } from '../../../src/access/postgres/safeguards.js'
import { createPgConnection, type PgConnection } from '../../../src/access/postgres/connection.js'
import { readDatabaseUrl } from '../../../src/access/postgres/read-url.js'
import { parseQualifiedName } from '../../../src/access/qualified-name.js'
import { offenders } from '../../support/offenders.js'
import { startPostgres } from '../../support/postgres.js'
import { identityOf } from '../identity-of.js'
import { HANG_MS } from '../../support/until.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')

const MINE = 'a0000000-0000-4000-8000-0000000000a1'
const ASKED = { agents: [MINE], tasks: [] }
const FRESH = { fresh: true }
const guarded = { role: 'authenticated', startup: [], seenSecured: new Set<string>(), agents: parseQualifiedName('public.agents'), tasks: parseQualifiedName('public.tasks') }

const RELATIONS = { agents: 'public.agents', tasks: 'public.tasks' }
let nowMs = 1_000_000
function createAuthorizer (t: Test, more: Partial<PostgresAccessSettings> = {}): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url: server.url('portcullis_login', sample),
    role: 'authenticated',
    relations: RELATIONS,
    poolSize: 2,
    checkTimeoutMs: 60_000,
    cacheMs: 0,
    ...more
  }, { now: () => nowMs })
  t.teardown(() => authorizer.close())
  return authorizer
}

function openOwner (t: Test): postgres.Sql {
  const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end({ timeout: 1 }))
  return owner
}

/** Holds the agents table so that a check on it waits, until it is let go. */
async function lockAgents (t: Test): Promise<() => Promise<void>> {
  const holder = openOwner(t)
  await holder.unsafe('begin; lock table public.agents in access exclusive mode')
  return async () => { await holder.unsafe('rollback') }
}

async function pollUntil (met: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + HANG_MS
  while (!await met()) {
    if (Date.now() > deadlineMs) throw new Error('the condition was not met in time')
  }
}

async function waitingChecks (): Promise<number> {
  const [{ count } = {}] = await server.admin`
    select count(*)::int from pg_stat_activity where usename = 'portcullis_login' and wait_event_type = 'Lock'`
  return Number(count)
}

async function openConnections (): Promise<number> {
  const [{ count } = {}] = await server.admin`select count(*)::int from pg_stat_activity where usename = 'portcullis_login'`
  return Number(count)
}

/** What a connection would carry to the next check. */
async function remains (session: PgConnection): Promise<unknown> {
  const [row] = await session.run(`select current_user::text as user,
    coalesce(current_setting('request.jwt.claims', true), '') || coalesce(current_setting('request.jwt.claim.sub', true), '')
      || coalesce(current_setting('portcullis.agents', true), '') as traces,
    current_setting('role') as role, current_setting('statement_timeout') as timeout, current_setting('transaction_read_only') as read_only,
    (select count(*)::int from pg_prepared_statements) as prepared, pg_current_xact_id_if_assigned()::text as transaction`)
  return { ...row }
}
const NOTHING = { user: 'portcullis_login', traces: '', role: 'none', timeout: '0', read_only: 'off', prepared: 0, transaction: null }

async function openSession (t: Test): Promise<{ session: PgConnection, request: CheckRequest }> {
  const session = createPgConnection(readDatabaseUrl(server.url('portcullis_login', sample)))
  t.teardown(() => session.end())
  const inspection = await inspectSafeguards(session, guarded)
  return { session, request: { identity: identityOf('alice'), asked: ASKED, guarded, inspection, timeoutMs: 60_000 } }
}

t.test('nothing stays on the connection after an answer', async (t) => {
  const { session, request } = await openSession(t)
  t.same(await remains(session), NOTHING)
  t.same(await checkRows(session, request), ASKED)
  t.same(await remains(session), NOTHING)
})

t.test('nothing stays on the connection after the statement time-out, and it can be used again', async (t) => {
  const { session, request } = await openSession(t)
  const release = await lockAgents(t)
  t.match(await checkRows(session, { ...request, timeoutMs: 50 }), { name: 'AccessError', message: 'the database answered SQLSTATE 57014', reason: 'statement_timeout', code: '57014', answered: true })
  await release()
  t.same(await remains(session), NOTHING)
})

t.test('a process that is late with its question keeps its connection', async (t) => {
  const { session, request } = await openSession(t)
  const release = await lockAgents(t)
  const late: PgConnection = {
    ...session,
    async run (text, parameters) {
      if (text.endsWith('; rollback')) {
        await pollUntil(async () => {
          const [row] = await server.admin`select 1 from pg_stat_activity where usename = 'portcullis_login'
            and state = 'idle in transaction' and now() - state_change > interval '300 ms'`
          return row !== undefined || session.closed
        })
      }
      return await session.run(text, parameters)
    }
  }
  t.match(await checkRows(late, { ...request, timeoutMs: 50 }), { name: 'AccessError', answered: true })
  await release()
  t.same(await remains(session), NOTHING)
})

t.test('claims that break a policy are no answer for this user, and no failure for the others', async (t) => {
  const owner = openOwner(t)
  await owner.unsafe(`
    create table public.strict (id text primary key);
    alter table public.strict enable row level security;
    create policy strict on public.strict for select to authenticated
      using ((current_setting('request.jwt.claims')::jsonb ->> 'org')::int = 1);
    grant select on public.strict to authenticated;
    insert into public.strict values ('s1')`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.strict' }, poolSize: 1 })
  const asked = { agents: ['s1'], tasks: [] }
  await authorizer.start()
  const [before] = await server.admin`select pid from pg_stat_activity where usename = 'portcullis_login'`
  for (let attempt = 0; attempt < 20; attempt++) {
    const failure = await Promise.resolve(authorizer.visible(identityOf('eve', { org: 'secret-org' }), 'unused', asked, FRESH)).catch((error: unknown) => error)
    t.match(failure, { name: 'AccessError', answered: true })
    t.notMatch(JSON.stringify(failure) + String(failure instanceof Error ? failure.stack : ''), /secret-org/, 'nor are its claims told')
  }
  t.same(await authorizer.visible(identityOf('alice', { org: '1' }), 'unused', asked, FRESH), asked)
  const [after] = await server.admin`select pid from pg_stat_activity where usename = 'portcullis_login'`
  t.same(after, before, 'the connection was kept')
})

t.test('nothing stays on the connection after an error of a policy', async (t) => {
  const { session, request } = await openSession(t)
  const strict = { ...guarded, agents: parseQualifiedName('public.strict') }
  const inspection = await inspectSafeguards(session, strict)
  const answer = await checkRows(session, { ...request, guarded: strict, inspection, identity: identityOf('eve', { org: 'x' }), asked: { agents: ['s1'], tasks: [] } })
  t.ok(answer instanceof AccessError)
  t.same(await remains(session), NOTHING)
})

t.test('a NUL in the subject is refused by the database, not cut', async (t) => {
  const authorizer = createAuthorizer(t)
  await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice\0'), 'unused', ASKED, FRESH)), { name: 'AccessError' })
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED)
})

t.test('a check whose connection is killed rejects, and the next one is answered', async (t) => {
  const authorizer = createAuthorizer(t)
  const release = await lockAgents(t)
  const checks = ['alice', 'carol'].map(async (user) => await authorizer.visible(identityOf(user), 'unused', ASKED, FRESH))
  const settled = Promise.allSettled(checks)
  await pollUntil(async () => await waitingChecks() === 2)
  await server.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'portcullis_login'`
  t.same(await offenders(await settled, ({ status }) => status === 'rejected'), [])
  await release()
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED)
  t.same(await authorizer.visible(identityOf('bob'), 'unused', ASKED, FRESH), { agents: [], tasks: [] })
})

t.test('a check over a kept connection that is killed is asked again over a new one', async (t) => {
  const authorizer = createAuthorizer(t, { poolSize: 1 })
  await authorizer.start()
  const release = await lockAgents(t)
  const check = Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH))
  await pollUntil(async () => await waitingChecks() === 1)
  const kill = (): Promise<unknown> =>
    server.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'portcullis_login'`.then((rows) => rows)
  await kill()
  await pollUntil(async () => await waitingChecks() === 1)
  await release()
  t.same(await check, ASKED)
  await kill()
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED, 'also when it died idle')
})

t.test('connections killed while others answer never let one user see for another', async (t) => {
  const authorizer = createAuthorizer(t, { poolSize: 3 })
  const outcomes = { right: 0, rejected: 0, wrong: 0 }
  async function check (user: string): Promise<void> {
    const seen = await Promise.resolve(authorizer.visible(identityOf(user), 'unused', ASKED, FRESH)).catch(() => null)
    if (seen === null) outcomes.rejected += 1
    else if (JSON.stringify(seen.agents) === JSON.stringify(user === 'alice' ? [MINE] : [])) outcomes.right += 1
    else outcomes.wrong += 1
  }
  for (let round = 0; round < 20; round++) {
    nowMs += 10_000
    const checks = ['alice', 'bob', 'alice', 'bob', 'alice', 'bob', 'alice', 'bob', 'alice', 'bob'].map(check)
    await Promise.all(checks.slice(0, 1 + round % 4))
    await server.admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'portcullis_login' order by random() limit 2`
    await Promise.all(checks)
  }
  nowMs += 10_000
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED)
  t.equal(outcomes.wrong, 0)
  t.ok(outcomes.right > 100, JSON.stringify(outcomes))
})

t.test('a statement that takes too long ends by the deadline, here and on the server', async (t) => {
  const authorizer = createAuthorizer(t, { checkTimeoutMs: 2000 })
  await authorizer.start()
  const release = await lockAgents(t)
  const startedMs = Date.now()
  await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { name: 'AccessError' })
  t.ok(Date.now() - startedMs < HANG_MS)
  await pollUntil(async () => await waitingChecks() === 0)
  await release()
  // On a busy machine a good answer may miss the deadline as well.
  await pollUntil(async () => isDeepStrictEqual(await Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)).catch(() => null), ASKED))
})

t.test('checks that wait for a place end by the deadline as well, and the places are all there afterwards', async (t) => {
  const authorizer = createAuthorizer(t, { checkTimeoutMs: 1000 })
  const release = await lockAgents(t)
  const outcomes = await Promise.allSettled(Array.from({ length: 150 }, async () =>
    await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)))
  const messages = outcomes.map((outcome) => outcome.status === 'rejected' ? String(outcome.reason) : 'answered')
  t.notOk(messages.includes('answered'))
  t.equal(messages.filter((message) => message.includes('too many checks')).length, 99, 'one ran, fifty waited')
  t.ok(await openConnections() <= 4)
  await release()
  nowMs += 10_000
  // On a busy machine a waiting check may begin in the last moment and fail as well: then the first one now is a probe.
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED)
  const again = await Promise.all([1, 2, 3, 4].map(async () => await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)))
  t.same(again, [ASKED, ASKED, ASKED, ASKED])
})

t.test('close ends what runs and leaves no connection', async (t) => {
  const authorizer = createAuthorizer(t)
  await authorizer.start()
  const release = await lockAgents(t)
  const check = Promise.allSettled([authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)])
  await pollUntil(async () => await waitingChecks() === 1)
  await authorizer.close()
  t.match(await check, [{ status: 'rejected', reason: { name: 'AccessError' } }])
  await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { message: 'the authorizer is closed' })
  await release()
  await pollUntil(async () => await openConnections() === 0)
})

t.test('a table that loses its protection is noticed by the next connection', async (t) => {
  const owner = openOwner(t)
  const authorizer = createAuthorizer(t, { poolSize: 1 })
  await authorizer.start()
  await owner.unsafe('alter table public.tasks disable row level security')
  t.teardown(() => owner.unsafe('alter table public.tasks enable row level security'))
  nowMs += 300_000
  await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), UnsafeDatabaseError)
  await pollUntil(async () => await openConnections() === 0)
})
