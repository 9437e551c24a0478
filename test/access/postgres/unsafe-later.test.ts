import { isDeepStrictEqual } from 'node:util'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { UnsafeDatabaseError } from '../../../src/access/access-error.js'
import { createPostgresAuthorizer, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { createPgConnection, type PgConnection } from '../../../src/access/postgres/connection.js'
import { readDatabaseUrl } from '../../../src/access/postgres/read-url.js'
import { inspectSafeguards, type Inspection } from '../../../src/access/postgres/safeguards.js'
import { parseQualifiedName } from '../../../src/access/qualified-name.js'
import { startPostgres } from '../../support/postgres.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const database = await server.createSample('later')
const owner = postgres(server.url('postgres', database), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))

const [MINE, BOBS] = ['a0000000-0000-4000-8000-0000000000a1', 'b0000000-0000-4000-8000-0000000000a1']
await owner.unsafe(`
  create view public.shown with (security_invoker = true) as select id, project_id from public.agents;
  create table public.open (id uuid primary key); grant select on public.shown, public.open to authenticated;
  insert into public.open values ('${BOBS}');
  create role keeper; create role seer nologin bypassrls`)
// What a policy reads on other ways: a view as its user, one as an owner who is under row security himself, a function of SQL's own form.
await owner.unsafe(`
  create role clerk in role authenticated;
  create table public.rooms (id uuid); create table public.keys (id uuid); create table public.notes (id uuid);
  alter table public.rooms enable row level security; alter table public.keys enable row level security; alter table public.notes enable row level security;
  create policy clerks on public.rooms for select to clerk using ((select count(*) from public.keys) >= 0);
  grant select on public.rooms, public.keys, public.notes to authenticated;
  create view public.by_invoker with (security_invoker = true) as select id from public.projects;
  create view public.by_clerk as select id from public.rooms; alter view public.by_clerk owner to clerk;
  grant select on public.by_invoker, public.by_clerk to authenticated;
  create function app.noted () returns boolean language sql stable begin atomic select (select count(*) from public.notes) >= 0; end;
  create policy ways on public.agents as restrictive for select
    using (exists (select from public.by_invoker v where v.id = agents.project_id) and (select count(*) from public.by_clerk) >= 0 and app.noted())`)

interface Watched {
  readonly authorizer: PostgresAuthorizer
  /** What was told, in order: reasons, or null when it is safe again. */
  readonly told: Array<readonly string[] | null>
  /** What operators were to look at, in order. */
  readonly noted: string[]
  advance (ms: number): void
  /** Which of the agents a user sees; of alice's and bob's unless others are named. */
  seen (user?: string, fresh?: boolean, agents?: readonly string[]): Promise<readonly string[]>
}

async function watch (t: Test, relation = 'public.shown'): Promise<Watched> {
  let nowMs = 0
  const told: Array<readonly string[] | null> = []
  const noted: string[] = []
  const authorizer = createPostgresAuthorizer({
    url: server.url('portcullis_login', database),
    role: 'authenticated',
    relations: { agents: relation, tasks: 'public.tasks' },
    poolSize: 1,
    checkTimeoutMs: 60_000,
    cacheMs: 5000,
    onNote: (sentence) => { noted.push(sentence) }
  }, { now: () => nowMs })
  t.teardown(() => authorizer.close())
  authorizer.watchSafety?.((reasons) => { told.push(reasons) })
  await authorizer.start()
  return {
    authorizer,
    told,
    noted,
    advance: (ms) => { nowMs += ms },
    seen: async (user = 'alice', fresh = false, agents = [MINE, BOBS]) =>
      (await authorizer.visible(identityOf(user), 'unused', { agents, tasks: [] }, { fresh })).agents
  }
}

/** What makes that which policies read unsafe under a running gateway, how it is taken back, and the reason that is told. */
const ON_OTHER_WAYS: ReadonlyArray<readonly [string, string, RegExp]> = [
  ['alter view public.by_invoker set (security_invoker = false)', 'alter view public.by_invoker set (security_invoker = true)',
    /row level security does not hold any more for what the view public\.by_invoker shows, which a policy reads/],
  ['alter view public.by_clerk owner to postgres', 'alter view public.by_clerk owner to clerk', /any more for what the view public\.by_clerk shows/],
  ['alter role clerk bypassrls', 'alter role clerk nobypassrls', /any more for what the view public\.by_clerk shows/],
  ['alter table public.rooms disable row level security', 'alter table public.rooms enable row level security', /any more for what the view public\.by_clerk shows/],
  ['alter table public.keys disable row level security', 'alter table public.keys enable row level security', /any more on public\.keys, which a policy reads as clerk/],
  ['alter table public.notes disable row level security', 'alter table public.notes enable row level security', /any more on public\.notes, which a policy reads/],
  ['alter function app.noted security definer', 'alter function app.noted security invoker', /any more for what the function app\.noted reads as its owner/],
  ['alter table public.projects rename to plans; alter table public.plans disable row level security',
    'alter table public.plans enable row level security; alter table public.plans rename to projects', /any more on public\.plans, which a policy reads/]
]

/** What makes it unsafe in any other way, and the same. */
const CHANGES: ReadonlyArray<readonly [string, string, RegExp]> = [
  ['alter table public.agents disable row level security', 'alter table public.agents enable row level security', /row level security is off on public\.agents/],
  ['alter table public.tasks disable row level security', 'alter table public.tasks enable row level security', /row level security is off on public\.tasks/],
  ['alter role authenticated bypassrls', 'alter role authenticated nobypassrls', /WS_PG_ROLE authenticated has BYPASSRLS/],
  ['alter role authenticated superuser', 'alter role authenticated nosuperuser', /WS_PG_ROLE authenticated is superuser/],
  ['alter role portcullis_login bypassrls', 'alter role portcullis_login nobypassrls', /the login role portcullis_login has BYPASSRLS/],
  ['alter table public.agents owner to authenticated', 'alter table public.agents owner to postgres; grant select on public.agents to authenticated', /owns public\.agents/],
  ['alter table public.agents owner to keeper; grant keeper to authenticated', 'alter table public.agents owner to postgres; revoke keeper from authenticated', /owns public\.agents/],
  ['alter table public.tasks owner to keeper; grant keeper to portcullis_login', 'alter table public.tasks owner to postgres; revoke keeper from portcullis_login', /owns public\.tasks/],
  ['alter view public.shown set (security_invoker = false)', 'alter view public.shown set (security_invoker = true)', /public\.shown is a view without security_invoker/],
  ['create or replace view public.shown with (security_invoker = true) as select id, null::uuid as project_id from public.open',
    'create or replace view public.shown with (security_invoker = true) as select id, project_id from public.agents', /row level security is off on public\.open/],
  ['alter table public.tasks rename to kept; create table public.tasks (id uuid); grant select on public.tasks to authenticated',
    'drop table public.tasks; alter table public.kept rename to tasks', /row level security is off on public\.tasks/],
  ...['projects', 'organizations', 'memberships', 'tickets'].map(table => [`alter table public.${table} disable row level security`,
    `alter table public.${table} enable row level security`, new RegExp(`row level security does not hold any more on public\\.${table}, which a policy reads`)] as const),
  ['alter table public.projects owner to keeper; grant keeper to authenticated', 'alter table public.projects owner to postgres; revoke keeper from authenticated',
    /row level security does not hold any more on public\.projects/],
  ['alter role portcullis_login set request.headers = \'{}\'', 'alter role portcullis_login reset request.headers', /sets request\.headers for every session/]
]

t.test('what makes the database safe is read with each check: when it ends, nothing is given, nor from memory; it comes back by itself', async (t) => {
  const wrong: unknown[] = []
  for (const [change, undo, reason] of [...CHANGES, ...ON_OTHER_WAYS]) {
    await t.test(change, async (t) => {
      const { told, advance, seen } = await watch(t)
      t.same(await seen(), [MINE])
      await owner.unsafe(change)
      t.teardown(() => owner.unsafe(undo).then(() => {}, () => {}))
      t.same(await seen('alice', false, [MINE]), [MINE], 'as long as the database is not asked, memory answers')
      const first = await seen('bob').catch((error: unknown) => error)
      if (!(first instanceof UnsafeDatabaseError && first.reasons.some(text => reason.test(text)))) wrong.push([change, first])
      t.match(told, [[reason]])
      await t.rejects(seen('alice', false, [MINE]), UnsafeDatabaseError, 'what was remembered counts no more')
      advance(2000)
      await t.rejects(seen('alice', true), UnsafeDatabaseError)
      t.equal(told.length, 1)
      await owner.unsafe(undo)
      await until('it is safe again', async () => {
        advance(2000)
        return isDeepStrictEqual(await seen().catch(() => []), [MINE])
      })
      t.match(told, [[reason], null])
      t.equal(told.length, 2)
    })
  }
  t.same(wrong, [])
})

/** Changes in the midst of an inspection, how each is taken back, and what is done before: these, and two of what no snapshot holds. */
const IN_ITS_MIDST: ReadonlyArray<readonly [string, string, string?]> = [
  ['grant owns_tasks to authenticated', 'revoke owns_tasks from authenticated'],
  ['revoke owns_tasks from authenticated', 'select', 'grant owns_tasks to authenticated'],
  ...CHANGES.map(([change, undo]) => [change, undo] as const),
  ['alter view public.by_clerk owner to postgres', 'alter view public.by_clerk owner to clerk'],
  ['alter function app.noted security definer', 'alter function app.noted security invoker'],
  ['alter policy tenant on public.projects using (true)', 'alter policy tenant on public.projects using (exists (select from public.organizations o where o.id = projects.organization_id))']
]

t.test('an inspection judges the very state that its fingerprint names, whatever is changed in its midst', async (t) => {
  await owner.unsafe('create role owns_tasks; grant create on schema public to owns_tasks; alter table public.tasks owner to owns_tasks')
  t.teardown(() => owner.unsafe('alter table public.tasks owner to postgres; drop owned by owns_tasks; drop role owns_tasks'))
  const guarded = {
    role: 'authenticated', startup: [], seenSecured: new Set<string>(), agents: parseQualifiedName('public.shown'), tasks: parseQualifiedName('public.tasks')
  }
  const session = createPgConnection(readDatabaseUrl(server.url('portcullis_login', database)))
  t.teardown(() => session.end())
  const wrong: unknown[] = []
  for (const [change, undo, first = 'select'] of IN_ITS_MIDST) {
    // Before each statement from the first look at the relations on: the one change, in a connection of its own.
    for (let at = 3; at < 12; at++) {
      const connection = createPgConnection(readDatabaseUrl(server.url('portcullis_login', database)))
      const { fingerprint: before } = await inspectSafeguards(session, guarded)
      await owner.unsafe(first)
      let [statements, changed] = [0, false]
      let turn: Promise<unknown> = Promise.resolve()
      const interrupted: PgConnection = {
        ...connection,
        async run (text, parameters) {
          const own = turn.then(async () => {
            if (++statements === at) {
              await owner.unsafe(change)
              changed = true
            }
            return await connection.run(text, parameters)
          })
          turn = own.catch(() => {})
          return await own
        }
      }
      const inspection = await inspectSafeguards(interrupted, guarded).catch((error: unknown) => error)
      await connection.end()
      await owner.unsafe(changed ? undo : `${change}; ${undo}`)
      const isRight = inspection instanceof Error || (inspection as Inspection).fingerprint === before
      if (!isRight) wrong.push([change, at])
    }
  }
  t.same(wrong, [])
})

t.test('a policy that comes to rest on what is not under row security is told when that begins, as at a start, and ends nothing', async (t) => {
  const [{ using } = { using: '' }] = await owner`select pg_get_expr(polqual, polrelid) as using from pg_policy where polname = 'ways'`
  await owner.unsafe(`create role auditors;
    create policy audits on public.agents for select to auditors using (false and (select count(*) from public.open) >= 0)`)
  const WAYS = [
    [`alter policy ways on public.agents using (${String(using)} and (select count(*) from public.open) >= 0)`, `alter policy ways on public.agents using (${String(using)})`],
    ['grant auditors to authenticated', 'revoke auditors from authenticated']
  ] as const
  t.teardown(() => owner.unsafe(`drop policy audits on public.agents; drop role auditors; ${WAYS[0][1]}`).then(() => {}))
  for (const [change, undo] of WAYS) {
    const { told, noted, seen } = await watch(t)
    for (let round = 1; round <= 2; round++) {
      await owner.unsafe(change)
      for (let check = 0; check < 3; check++) t.same(await seen('alice', true), [MINE])
      t.equal(noted.length, round, change)
      await owner.unsafe(undo)
      t.same(await seen('alice', true), [MINE])
    }
    t.match(noted, Array.from({ length: 2 }, () => /^row level security does not hold on public\.open, which a policy reads/))
    t.same(told, [])
  }
})

t.test('what does not make it unsafe is looked at and goes on, over the same connection', async (t) => {
  const { told, seen } = await watch(t)
  t.same(await seen(), [MINE])
  const pidsOf = async (): Promise<unknown> => (await owner`select pid from pg_stat_activity where usename = 'portcullis_login'`).map(({ pid }) => pid as unknown)
  const before = await pidsOf()
  for (const change of [
    'alter table public.tasks owner to keeper', 'alter table public.agents force row level security', 'analyze public.agents', 'vacuum full public.agents',
    'create or replace view public.shown with (security_invoker = true) as select id, project_id from public.agents where true',
    'alter role portcullis_login set app.tenant = \'x\'', 'alter table public.tasks rename to kept; alter table public.kept rename to tasks'
  ]) {
    await owner.unsafe(change)
    t.same(await seen('alice', true), [MINE], change)
  }
  t.same(told, [])
  t.same(await pidsOf(), before)
  await owner.unsafe('alter table public.tasks owner to postgres; alter table public.agents no force row level security; alter role portcullis_login reset app.tenant')
})

t.test('a column of ids that becomes another type is looked at, and nobody is refused for it', async (t) => {
  await owner.unsafe(`
    create table public.numbered (id text primary key, owner text not null); grant select on public.numbered to authenticated;
    alter table public.numbered enable row level security;
    create policy own on public.numbered for select to authenticated using (owner = app.user_id());
    insert into public.numbered values ('7', 'alice'), ('8', 'bob')`)
  const { told, seen } = await watch(t, 'public.numbered')
  const wrong: unknown[] = []
  const ids = ['7', '8', 'x', MINE]
  if ((await seen('alice', true, ids)).join() !== '7') wrong.push('before')
  for (const type of ['bigint', 'text', 'integer', 'smallint', 'bigint', 'varchar']) {
    await owner.unsafe(`alter table public.numbered alter column id type ${type} using id::${type}`)
    const agents = await seen('alice', true, ids).catch((error: unknown) => [String(error)])
    if (agents.join() !== '7') wrong.push([type, agents])
  }
  await owner.unsafe('alter table public.numbered alter column id type integer using id::integer')
  await seen('alice', true, ids)
  await owner.unsafe("alter table public.numbered alter column id type bigint; insert into public.numbered values (3000000000, 'alice')")
  await seen('alice', true, ['7'])
  if ((await seen('alice', true, ['3000000000'])).join() !== '3000000000') wrong.push('an id that the old type could not hold')
  await owner.unsafe('alter table public.numbered alter column id type uuid using lpad(id::text, 32, \'0\')::uuid')
  const agents = await seen('alice', true, ['00000000-0000-0000-0000-000000000007', '7'])
  if (agents.join() !== '00000000-0000-0000-0000-000000000007') wrong.push(['uuid', agents])
  t.same(wrong, [])
  t.same(told, [])
})

t.test('a policy with a fault of the same kind is told by its SQLSTATE', async (t) => {
  await owner.unsafe(`
    create table public.faulty (id text primary key); grant select on public.faulty to authenticated;
    alter table public.faulty enable row level security;
    create function app.faulty () returns boolean language plpgsql stable as $$ begin return app.not_there(); end $$;
    grant execute on function app.faulty to authenticated;
    create policy own on public.faulty for select to authenticated using (app.faulty());
    insert into public.faulty values ('7')`)
  const { told, seen } = await watch(t, 'public.faulty')
  await t.rejects(seen('alice', true, ['7']), { reason: 'missing', code: '42883', answered: true })
  t.same(told, [])
})

t.test('it is seen to be safe again also while nobody asks', async (t) => {
  const { told, seen } = await watch(t)
  await owner.unsafe('alter table public.agents disable row level security')
  await t.rejects(seen(), UnsafeDatabaseError)
  await owner.unsafe('alter table public.agents enable row level security')
  await until('it was told', () => told.length === 2)
  t.same(await seen(), [MINE])
})

/** Another session, for what has to wait for a lock, or to hold one. */
function openSession (t: Test): postgres.Sql {
  const session = postgres(server.url('postgres', database), { max: 1, onnotice: () => {} })
  t.teardown(() => session.end({ timeout: 1 }))
  return session
}

async function untilWaiting (user: string, lock: string): Promise<void> {
  await until(`${user} waits for ${lock}`, async () => (await owner`
    select from pg_stat_activity a join pg_locks l on l.pid = a.pid
    where a.usename = ${user} and a.wait_event_type = 'Lock' and l.locktype = ${lock} and not l.granted`).length > 0)
}

t.test('row security that goes after a check began and before it reads the rows is seen by that check', async (t) => {
  const { told, seen } = await watch(t, 'public.agents')
  t.same(await seen(), [MINE])
  const other = openSession(t)
  // The check has begun, and set up its transaction, as the change is committed: its question waits for the table.
  await other.unsafe('begin; alter table public.agents disable row level security')
  t.teardown(() => owner.unsafe('alter table public.agents enable row level security').then(() => {}, () => {}))
  const answer = seen('alice', true).catch((error: unknown) => error)
  await untilWaiting('portcullis_login', 'relation')
  await other.unsafe('commit')
  const outcome = await answer
  t.ok(outcome instanceof UnsafeDatabaseError, String(outcome))
  t.match(told, [[/row level security is off on public\.agents/]])
})

t.test('row security does not go while a check reads the rows, and the next check sees that it went', async (t) => {
  await owner.unsafe(`
    create function app.held () returns boolean language plpgsql volatile as $$ begin perform pg_advisory_xact_lock(7); return true; end $$;
    grant execute on function app.held to authenticated;
    create policy held on public.agents as restrictive for select to authenticated using (app.held())`)
  t.teardown(() => owner.unsafe('alter table public.agents enable row level security; drop policy held on public.agents').then(() => {}, () => {}))
  const { told, seen } = await watch(t, 'public.agents')
  const [holder, changer] = [openSession(t), openSession(t)]
  await holder.unsafe('select pg_advisory_lock(7)')
  const answer = seen('alice', true)
  await untilWaiting('portcullis_login', 'advisory')
  const change = changer.unsafe('alter table public.agents disable row level security').execute()
  await untilWaiting('postgres', 'relation')
  await holder.unsafe('select pg_advisory_unlock(7)')
  t.same(await answer, [MINE])
  t.same(told, [])
  await change
  await t.rejects(seen('alice', true), UnsafeDatabaseError)
  t.match(told, [[/row level security is off on public\.agents/]])
})
