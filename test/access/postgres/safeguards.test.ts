import postgres from 'postgres'
import t, { type Test } from 'tap'
import { UnsafeDatabaseError } from '../../../src/access/access-error.js'
import { createPostgresAuthorizer, type PostgresAccessSettings, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { RELATIONS as RELATIONS_READ } from '../../../src/access/postgres/relations.js'
import { startPostgres } from '../../support/postgres.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))

const RELATIONS = { agents: 'public.agents', tasks: 'public.tasks' }
function createAuthorizer (t: Test, more: Partial<PostgresAccessSettings>, login = 'portcullis_login'): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url: server.url(login, sample),
    role: 'authenticated',
    relations: RELATIONS,
    poolSize: 1,
    checkTimeoutMs: 60_000,
    cacheMs: 0,
    ...more
  }, { now: Date.now })
  t.teardown(() => authorizer.close())
  return authorizer
}

/** The reasons for which the authorizer refuses to start, and a check that did not wait for it. */
async function reasonsOf (t: Test, more: Partial<PostgresAccessSettings>, login?: string): Promise<readonly string[]> {
  const authorizer = createAuthorizer(t, more, login)
  const asked = { agents: ['a0000000-0000-4000-8000-0000000000a1'], tasks: [] }
  const [started, checked] = await Promise.allSettled([
    authorizer.start(), authorizer.visible(identityOf('alice'), 'unused', asked, { fresh: false })
  ])
  if (started.status === 'fulfilled' || checked.status === 'fulfilled') return []
  const failure: unknown = started.reason
  if (!(failure instanceof UnsafeDatabaseError) || !(checked.reason instanceof UnsafeDatabaseError)) throw failure
  t.same(checked.reason.reasons, failure.reasons, 'a connection is refused for what the start is refused for')
  t.equal(failure.message, `the database does not protect the rows: ${failure.reasons.join('; ')}`)
  return failure.reasons
}

t.test('the sample schema is accepted, and can be loaded twice', async (t) => {
  t.same(await reasonsOf(t, {}), [])
  await server.loadSample(sample)
  t.same(await reasonsOf(t, {}), [])
})

t.test('a superuser is refused, as login and as WS_PG_ROLE', async (t) => {
  const reasons = await reasonsOf(t, { role: 'postgres' }, 'postgres')
  t.ok(reasons.includes('WS_PG_ROLE postgres is superuser'))
  await owner.unsafe('create role boss login superuser; grant authenticated to boss')
  t.ok((await reasonsOf(t, {}, 'boss')).includes('the login role boss is superuser'))
})

t.test('BYPASSRLS is refused, as login and as WS_PG_ROLE', async (t) => {
  await owner.unsafe('create role seer login bypassrls; grant authenticated to seer; grant seer to portcullis_login')
  t.teardown(() => owner.unsafe('revoke seer from portcullis_login'))
  t.same(await reasonsOf(t, {}, 'seer'), ['the login role seer has BYPASSRLS'])
  await owner.unsafe('grant authenticated to seer')
  t.ok((await reasonsOf(t, { role: 'seer' })).includes('WS_PG_ROLE seer has BYPASSRLS'))
})

t.test('an owner of the tables is refused, itself or by membership, as login and as WS_PG_ROLE', async (t) => {
  await owner.unsafe(`
    create role keeper login; create role heir login noinherit; grant keeper to heir; grant authenticated to keeper, heir;
    alter table public.tasks owner to keeper`)
  t.teardown(() => owner.unsafe('alter table public.tasks owner to postgres'))
  const expected = ['the login role or WS_PG_ROLE owns public.tasks, or is a member of its owner']
  t.same(await reasonsOf(t, {}, 'keeper'), expected)
  t.same(await reasonsOf(t, {}, 'heir'), expected)
  await owner.unsafe('create role landlord; grant landlord to authenticated; alter table public.tasks owner to landlord')
  t.teardown(() => owner.unsafe('revoke landlord from authenticated'))
  t.same(await reasonsOf(t, {}), expected)
})

t.test('tables without row level security are refused', async (t) => {
  await owner.unsafe('alter table public.agents disable row level security; alter table public.tasks disable row level security')
  t.teardown(() => owner.unsafe('alter table public.agents enable row level security; alter table public.tasks enable row level security'))
  t.same(await reasonsOf(t, {}), ['row level security is off on public.agents', 'row level security is off on public.tasks'])
})

t.test('a view shows what its owner may see, unless it is asked as the invoker', async (t) => {
  await owner.unsafe(`
    create view public.plain_view as select id from public.agents;
    create view public.false_view with (security_invoker = off) as select id from public.agents;
    create view public.barrier_view with (security_barrier = true) as select id from public.agents;
    create view public.invoker_view with (security_invoker = on) as select id from public.agents;
    grant select on public.plain_view, public.false_view, public.barrier_view, public.invoker_view to authenticated`)
  for (const name of ['plain', 'false', 'barrier']) {
    t.same(await reasonsOf(t, { relations: { ...RELATIONS, agents: `public.${name}_view` } }),
      [`public.${name}_view is a view without security_invoker: it shows what its owner may see`])
  }
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.invoker_view' } })
  await authorizer.start()
  const seen = await authorizer.visible(identityOf('bob'), 'unused', { agents: '*', tasks: [] }, { fresh: false })
  t.same(seen.agents, ['b0000000-0000-4000-8000-0000000000a1'])
})

t.test('what is beneath a view counts as well, however deep', async (t) => {
  await owner.unsafe(`
    create table public.open_table (id uuid primary key);
    create view public.middle_view with (security_invoker = true) as select id from public.plain_view;
    create view public.outer_view with (security_invoker = true) as select id from public.middle_view
      union all select id from public.open_table;
    create view public.function_view with (security_invoker = true) as select gen_random_uuid() as id;
    grant select on public.open_table, public.middle_view, public.outer_view, public.function_view to authenticated`)
  t.same(await reasonsOf(t, { relations: { ...RELATIONS, agents: 'public.outer_view' } }), [
    'row level security is off on public.open_table',
    'public.plain_view is a view without security_invoker: it shows what its owner may see'
  ])
  t.same(await reasonsOf(t, { relations: { ...RELATIONS, tasks: 'public.function_view' } }),
    ['public.function_view is a view that reads no table: row level security cannot protect it'])
})

t.test('materialized views and foreign tables are refused, partitioned tables are protected by their own policies', async (t) => {
  await owner.unsafe(`
    create materialized view public.frozen as select id from public.agents;
    create extension postgres_fdw; create server elsewhere foreign data wrapper postgres_fdw;
    create foreign table public.far (id uuid) server elsewhere;
    create table public.parted (id uuid) partition by hash (id);
    grant select on public.frozen, public.far, public.parted to authenticated`)
  t.same(await reasonsOf(t, { relations: { agents: 'public.frozen', tasks: 'public.far' } }), [
    'public.frozen is a materialized view: row level security cannot protect it',
    'public.far is a foreign table: row level security cannot protect it'
  ])
  t.same(await reasonsOf(t, { relations: { ...RELATIONS, agents: 'public.parted' } }), ['row level security is off on public.parted'])
  await owner.unsafe('alter table public.parted enable row level security')
  t.same(await reasonsOf(t, { relations: { ...RELATIONS, agents: 'public.parted' } }), [])
})

t.test('a login that may not take the role, and a role that does not exist, are refused', async (t) => {
  await owner.unsafe('create role stranger login')
  t.same(await reasonsOf(t, {}, 'stranger'), ['the login role may not take the role authenticated: grant it'])
  const reasons = await reasonsOf(t, { role: 'ghost' })
  t.ok(reasons.includes('WS_PG_ROLE ghost does not exist'))
})

t.test('missing tables, missing or unsuitable ids and missing grants are refused', async (t) => {
  await owner.unsafe(`
    create table public.nameless (name text); create table public.fuzzy (id double precision); create table public.shut (id uuid);
    alter table public.nameless enable row level security; alter table public.fuzzy enable row level security;
    alter table public.shut enable row level security;
    create schema locked; create table locked.shut (id uuid); alter table locked.shut enable row level security;
    grant select on public.nameless, public.fuzzy, locked.shut to authenticated`)
  t.same(await reasonsOf(t, { relations: { agents: 'public.none', tasks: 'nowhere.tasks' } }),
    ['public.none does not exist', 'nowhere.tasks does not exist'])
  t.same(await reasonsOf(t, { relations: { agents: 'public.nameless', tasks: 'public.fuzzy' } }), [
    'public.nameless has no column id',
    'the column id of public.fuzzy is double precision: it must be uuid, bigint, integer, smallint, text, character varying'
  ])
  t.same(await reasonsOf(t, { relations: { agents: 'public.shut', tasks: 'locked.shut' } }),
    ['WS_PG_ROLE may not read public.shut', 'WS_PG_ROLE may not read locked.shut'])
})

t.test('every fault is named at once', async (t) => {
  await owner.unsafe('create role careless login superuser bypassrls')
  const reasons = await reasonsOf(t, { role: 'seer', relations: { agents: 'public.open_table', tasks: 'public.plain_view' } }, 'careless')
  for (const expected of [
    'the login role careless is superuser', 'the login role careless has BYPASSRLS', 'WS_PG_ROLE seer has BYPASSRLS',
    'row level security is off on public.open_table',
    'public.plain_view is a view without security_invoker: it shows what its owner may see',
    'the login role or WS_PG_ROLE owns public.open_table, or is a member of its owner'
  ]) t.ok(reasons.includes(expected), expected)
})

t.test('a table name that is not schema.table never reaches the database', async (t) => {
  for (const name of ['agents', 'public.agents; drop table x', 'public."agents"', 'a.b.c', '.agents', 'public.', 'pub lic.agents', `public.${'x'.repeat(64)}`, '']) {
    t.throws(() => createAuthorizer(t, { relations: { ...RELATIONS, agents: name } }), { message: /not of the form schema\.table/ }, name)
  }
})

t.test('a table that policies read, however deep, and that has no row security is told: a policy may look itself who asks', async (t) => {
  const noteOf = (name: string): RegExp => new RegExp(`^row level security does not hold on public\\.${name}, which a policy reads`)
  for (const table of ['projects', 'organizations', 'memberships', 'tickets']) {
    await owner.unsafe(`alter table public.${table} disable row level security`)
    t.match(await createAuthorizer(t, {}).start(), [noteOf(table)])
    await owner.unsafe(`alter table public.${table} enable row level security`)
  }
  await owner.unsafe(`
    create table public.plain (id uuid primary key); create table public.others (id uuid primary key); grant select on public.plain, public.others to authenticated;
    create view public.by_invoker with (security_invoker = true) as select id from public.plain; grant select on public.by_invoker to authenticated;
    create view public.by_owner as select id from public.others; grant select on public.by_owner to authenticated; create role elsewhere;
    create policy invoker on public.agents for select to authenticated using (exists (select from public.by_invoker v where v.id = agents.id));
    create policy as_owner on public.agents for select to authenticated using (exists (select from public.by_owner v where v.id = agents.id));
    create policy of_others on public.agents for select to elsewhere using (exists (select from public.others v where v.id = agents.id));
    create policy writes on public.agents for update to authenticated using (exists (select from public.others v where v.id = agents.id))`)
  const notes = await createAuthorizer(t, {}).start()
  t.match(notes, [/^row level security does not hold for what the view public\.by_owner shows, which a policy reads: it shows what its owner may see/, noteOf('plain')])
  t.equal(notes.length, 2, 'what is beneath a view that is told, for another role or for another command is not told')
  await owner.unsafe('drop policy invoker on public.agents; drop policy as_owner on public.agents; drop policy of_others on public.agents; drop policy writes on public.agents')
  t.same(await createAuthorizer(t, {}).start(), [])
})

/** Lays a web of tables, each of which every other one's policy reads. Resolves with how many the policy of agents reaches. */
async function layWeb (t: Test, tables: number): Promise<number> {
  const names = Array.from({ length: tables }, (_, n) => `public.web_${n}`)
  const others = (name: string): string => names.filter(other => other !== name).map(other => `exists (select from ${other})`).join(' or ')
  await owner.unsafe(names.map(name => `create table ${name} (id int); alter table ${name} enable row level security`).join('; '))
  await owner.unsafe(names.map(name => `create policy web on ${name} for select using (${others(name)})`).join('; '))
  await owner.unsafe(`create policy web on public.agents for select using (exists (select from ${names[0]}))`)
  t.teardown(() => owner.unsafe(`drop policy web on public.agents; drop table ${names.join(', ')} cascade`))
  return tables
}

t.test('an inspection meets each table that policies read once, however many of them read it', async (t) => {
  const asked = ['authenticated', 'public', 'agents', 'public', 'tasks']
  const before = await owner.unsafe(RELATIONS_READ, asked)
  const tables = await layWeb(t, 40)
  const found = await owner.unsafe(RELATIONS_READ, asked)
  t.equal(found.length, before.length + tables)
  t.same(await createAuthorizer(t, {}).start(), [])
})
