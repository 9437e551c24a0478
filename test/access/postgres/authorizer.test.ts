import postgres from 'postgres'
import t, { type Test } from 'tap'
import type { Asked, Visible } from '../../../src/access/authorizer.js'
import { createPostgresAuthorizer, type PostgresAccessSettings, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import type { Identity } from '../../../src/tokens/identity.js'
import { startPostgres } from '../../support/postgres.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const { admin } = server

const ACME_AGENTS = ['a0000000-0000-4000-8000-0000000000a1', 'a0000000-0000-4000-8000-0000000000a2']
const ACME_TASKS = ['a0000000-0000-4000-8000-0000000000f1', 'a0000000-0000-4000-8000-0000000000f2']
const GLOBEX_AGENTS = ['b0000000-0000-4000-8000-0000000000a1']
const GLOBEX_TASKS = ['b0000000-0000-4000-8000-0000000000f1']
const NOBODYS_AGENTS = ['00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000a2']
const NOBODYS_TASKS = ['00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000f2']
const ALL: Asked = {
  agents: [...ACME_AGENTS, ...GLOBEX_AGENTS, ...NOBODYS_AGENTS],
  tasks: [...ACME_TASKS, ...GLOBEX_TASKS, ...NOBODYS_TASKS]
}
const MISSING = 'c0000000-0000-4000-8000-000000000001'
const LISTED: Asked = { agents: '*', tasks: '*' }

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

/** The sample database as its owner. */
function openAdmin (t: Test): postgres.Sql {
  const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end())
  return owner
}

async function ask (authorizer: PostgresAuthorizer, identity: Identity, asked: Asked, fresh = false): Promise<Visible> {
  return await authorizer.visible(identity, 'unused', asked, { fresh })
}

const sorted = ({ agents, tasks }: Visible): Visible => ({ agents: agents.toSorted(), tasks: tasks.toSorted() })

t.test('a user sees the agents and tasks of their own organizations only', async (t) => {
  const authorizer = createAuthorizer(t)
  await authorizer.start()
  t.equal(authorizer.local, false)
  t.same(await ask(authorizer, identityOf('alice'), ALL), { agents: ACME_AGENTS, tasks: ACME_TASKS })
  t.same(await ask(authorizer, identityOf('bob'), ALL), { agents: GLOBEX_AGENTS, tasks: GLOBEX_TASKS })
  t.same(await ask(authorizer, identityOf('carol'), ALL),
    { agents: [...ACME_AGENTS, ...GLOBEX_AGENTS], tasks: [...ACME_TASKS, ...GLOBEX_TASKS] })
  t.same(await ask(authorizer, identityOf('mallory'), ALL), { agents: [], tasks: [] })
})

t.test('"*" lists what the user may see now', async (t) => {
  const authorizer = createAuthorizer(t)
  t.same(sorted(await ask(authorizer, identityOf('alice'), LISTED)), { agents: ACME_AGENTS, tasks: ACME_TASKS })
  t.same(await ask(authorizer, identityOf('bob'), { agents: '*', tasks: [] }), { agents: GLOBEX_AGENTS, tasks: [] })
  t.same(await ask(authorizer, identityOf('mallory'), LISTED), { agents: [], tasks: [] })
})

t.test('a row without a tenant is visible to nobody', async (t) => {
  const authorizer = createAuthorizer(t)
  for (const user of ['alice', 'bob', 'carol']) {
    t.same(await ask(authorizer, identityOf(user), { agents: NOBODYS_AGENTS, tasks: NOBODYS_TASKS }), { agents: [], tasks: [] })
  }
})

t.test('an id that is no uuid, one that does not exist and one of another tenant are the same answer', async (t) => {
  const authorizer = createAuthorizer(t)
  const [mine = '', theirs = ''] = [ACME_AGENTS[0], GLOBEX_AGENTS[0]]
  for (const id of [MISSING, theirs, 'a1', '*', '7', mine.toUpperCase(), mine.replaceAll('-', ''), '__proto__', 'x'.repeat(128)]) {
    t.same(await ask(authorizer, identityOf('alice'), { agents: [id], tasks: [id] }), { agents: [], tasks: [] }, id)
    t.same(await ask(authorizer, identityOf('alice'), { agents: [id, mine], tasks: [] }), { agents: [mine], tasks: [] }, `${id} beside a good one`)
  }
})

t.test('ids are only data', async (t) => {
  const authorizer = createAuthorizer(t, { relations: { agents: 'public.notes', tasks: 'public.notes' } })
  const owner = openAdmin(t)
  await owner.unsafe(`
    create table public.notes (id text primary key);
    alter table public.notes enable row level security;
    create policy everybody on public.notes for select to authenticated using (true);
    grant select on public.notes to authenticated;
    insert into public.notes values ('a:b'), ('c.d'), ('e,f'), ('x'')) or true --')`)
  const hostile = ['a:b', '{a:b}', '"', '\\', 'a:b","c.d', 'x\')) or true --', '}', 'null', 'NULL']
  t.same(await ask(authorizer, identityOf('alice'), { agents: hostile, tasks: ['c.d', 'e'] }),
    { agents: ['a:b', 'x\')) or true --'], tasks: ['c.d'] })
  t.same(sorted(await ask(authorizer, identityOf('alice'), LISTED)), { agents: ['a:b', 'c.d'], tasks: ['a:b', 'c.d'] },
    'an id that no topic can carry is not listed')
})

t.test('ids of a whole-number column are asked as numbers', async (t) => {
  const owner = openAdmin(t)
  for (const [type, largest, beyond] of [
    ['bigint', '9223372036854775807', '9223372036854775808'], ['integer', '2147483647', '2147483648'], ['smallint', '32767', '32768']
  ] as const) {
    await owner.unsafe(`
      create table public.numbers_${type} (id ${type} primary key);
      alter table public.numbers_${type} enable row level security;
      create policy everybody on public.numbers_${type} for select to authenticated using (true);
      grant select on public.numbers_${type} to authenticated;
      insert into public.numbers_${type} values (0), (7), (-3), (${largest})`)
    const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: `public.numbers_${type}` } })
    const agents = ['7', '07', '+7', '7.0', '1e1', '0x7', '-3', '-0', '0', largest, beyond, 'seven', '99999999999999999999']
    t.same((await ask(authorizer, identityOf('alice'), { agents, tasks: ACME_TASKS })),
      { agents: ['7', '-3', '0', largest], tasks: ACME_TASKS }, type)
  }
})

t.test('more than a connection may have is listed up to one more', async (t) => {
  const owner = openAdmin(t)
  await owner.unsafe(`
    create table public.many (id bigint primary key);
    alter table public.many enable row level security;
    create policy everybody on public.many for select to authenticated using (true);
    grant select on public.many to authenticated;
    insert into public.many select generate_series(1, 3000)`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.many' } })
  t.equal((await ask(authorizer, identityOf('alice'), { agents: '*', tasks: [] })).agents.length, 1001)
  const thousand = Array.from({ length: 1000 }, (_, index) => String(index + 2500))
  t.same((await ask(authorizer, identityOf('alice'), { agents: thousand, tasks: [] })).agents, thousand.slice(0, 501))
})

t.test('rows of others whose ids nobody can ask for crowd nobody out of a list', async (t) => {
  const owner = openAdmin(t)
  await owner.unsafe("create collation public.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
  for (const [name, type] of [['plain', 'text'], ['sized', 'varchar(1000)'], ['caseless', 'text collate public.any_case']] as const) {
    await owner.unsafe(`
      create table public.${name} (id ${type}); alter table public.${name} enable row level security;
      create policy everybody on public.${name} for select to authenticated using (true); grant select on public.${name} to authenticated;
      insert into public.${name} select ' ' || generate_series(1, 2000); insert into public.${name} values ('a.b'), ('C:d')`)
    const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: `public.${name}` } })
    t.same((await ask(authorizer, identityOf('alice'), { agents: '*', tasks: [] })).agents.toSorted(), ['C:d', 'a.b'], name)
  }
})

t.test('hundreds of interleaved checks on two connections never cross', async (t) => {
  const authorizer = createAuthorizer(t, { checkTimeoutMs: 120_000 })
  const expected: Readonly<Record<string, Visible>> = {
    alice: { agents: ACME_AGENTS, tasks: ACME_TASKS },
    bob: { agents: GLOBEX_AGENTS, tasks: GLOBEX_TASKS },
    mallory: { agents: [], tasks: [] }
  }
  const users = Object.keys(expected)
  for (let round = 0; round < 6; round++) {
    const checks = Array.from({ length: 90 }, async (_, index) => {
      const user = users[(index * 7 + round) % users.length] ?? ''
      const asked = index % 2 === 0 ? ALL : LISTED
      return { user, seen: sorted(await ask(authorizer, identityOf(user), asked)) }
    })
    const wrong = (await Promise.all(checks)).filter(({ user, seen }) => JSON.stringify(seen) !== JSON.stringify(expected[user]))
    t.same(wrong, [])
  }
  const [{ count } = {}] = await admin`select count(*)::int from pg_stat_activity where usename = 'portcullis_login'`
  t.ok(count <= 2, 'the pool keeps its size')
})

t.test('the token\'s role chooses nothing, though the policies may read it', async (t) => {
  const authorizer = createAuthorizer(t)
  await openAdmin(t).unsafe(`
    drop role if exists service_role;
    create role service_role nologin bypassrls;
    grant service_role to portcullis_login`)
  for (const role of ['service_role', 'postgres', 'portcullis_login', '', null, ['service_role']]) {
    t.same(await ask(authorizer, identityOf('alice', { role }), ALL), { agents: ACME_AGENTS, tasks: ACME_TASKS })
  }
})

t.test('policies that read other claims than sub keep two claims sets apart, also in the cache', async (t) => {
  const owner = openAdmin(t)
  await owner.unsafe(`
    create table public.secrets (id text primary key, org text not null);
    alter table public.secrets enable row level security;
    create policy assured on public.secrets for select to authenticated using (
      org = current_setting('request.jwt.claims')::jsonb ->> 'org'
      and current_setting('request.jwt.claims')::jsonb ->> 'aal' = 'aal2');
    grant select on public.secrets to authenticated;
    insert into public.secrets values ('s1', 'one'), ('s2', 'two')`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.secrets' }, cacheMs: 5000 })
  const asked = { agents: ['s1', 's2'], tasks: [] }
  for (let round = 0; round < 2; round++) {
    t.same((await ask(authorizer, identityOf('alice', { org: 'one', aal: 'aal2' }), asked)).agents, ['s1'])
    t.same((await ask(authorizer, identityOf('alice', { org: 'one', aal: 'aal1' }), asked)).agents, [])
    t.same((await ask(authorizer, identityOf('alice', { org: 'two', aal: 'aal2' }), asked)).agents, ['s2'])
    t.same((await ask(authorizer, identityOf('alice'), asked)).agents, [])
  }
})

t.test('a withdrawn right is seen at once by a fresh check, and after the cache\'s seconds by any', async (t) => {
  const owner = openAdmin(t)
  const authorizer = createAuthorizer(t, { cacheMs: 3000 })
  const asked = { agents: ACME_AGENTS, tasks: ACME_TASKS }
  const dave = identityOf('dave')
  t.same(await ask(authorizer, dave, asked), { agents: [], tasks: [] })
  await owner.unsafe('insert into public.memberships values (\'a0000000-0000-4000-8000-000000000001\', \'dave\')')
  t.same(await ask(authorizer, dave, asked), asked, 'a no is not remembered')
  await owner.unsafe('delete from public.memberships where user_id = \'dave\'')
  t.same(await ask(authorizer, dave, asked), asked, 'a yes is, for seconds')
  t.same(await ask(authorizer, dave, { agents: '*', tasks: [] }), { agents: [], tasks: [] }, 'a list comes from the database')
  t.same(await ask(authorizer, dave, asked, true), { agents: [], tasks: [] })
  nowMs += 3000
  t.same(await ask(authorizer, dave, asked), { agents: [], tasks: [] })
})

t.test('auth.uid() and auth.role() of Supabase\'s form answer for the user of this check', async (t) => {
  const owner = openAdmin(t)
  const [ann, ben] = ['d0000000-0000-4000-8000-00000000000a', 'd0000000-0000-4000-8000-00000000000b']
  await owner.unsafe(`
    create schema auth;
    create function auth.uid () returns uuid language sql stable as $$
      select coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
    create function auth.role () returns text language sql stable as $$
      select coalesce(nullif(current_setting('request.jwt.claim.role', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')::text $$;
    grant usage on schema auth to authenticated;
    create table public.own (id uuid primary key, owner uuid not null);
    alter table public.own enable row level security;
    create policy own on public.own for select to authenticated using (auth.role() = 'authenticated' and owner = auth.uid());
    grant select on public.own to authenticated;
    insert into public.own values ('${ann}', '${ann}'), ('${ben}', '${ben}')`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.own' } })
  const loggedIn = { role: 'authenticated' }
  t.same((await ask(authorizer, identityOf(ann, loggedIn), { agents: [ann, ben], tasks: [] })).agents, [ann])
  t.same((await ask(authorizer, identityOf(ben, loggedIn), { agents: '*', tasks: [] })).agents, [ben])
  t.same((await ask(authorizer, identityOf(ben), { agents: '*', tasks: [] })).agents, [], 'a token that names no role')
})

t.test('an anonymous break-glass connection sees nothing, and the database is not asked', async (t) => {
  const authorizer = createAuthorizer(t, { url: 'postgres://nobody@127.0.0.1:1/none' })
  t.same(await ask(authorizer, identityOf('anonymous', {}, { insecure: true }), LISTED), { agents: [], tasks: [] })
  t.same(await ask(authorizer, identityOf('alice'), { agents: [], tasks: [] }), { agents: [], tasks: [] }, 'nor for nothing')
})

t.test('the ids of a check are found by index', async (t) => {
  const owner = openAdmin(t)
  const plan = await owner.begin(async (sql) => {
    await sql.unsafe(`set local enable_seqscan = off; set local portcullis.agents = '{"${ACME_AGENTS[0]}"}'; set local role = 'authenticated'`)
    return await sql.unsafe('explain select id::text from public.agents t where t.id = any (current_setting(\'portcullis.agents\')::uuid[])')
  })
  t.match(JSON.stringify(plan), /Index Cond: \(id = ANY/)
})
