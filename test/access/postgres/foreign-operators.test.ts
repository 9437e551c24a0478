import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createPostgresAuthorizer, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { startPostgres } from '../../support/postgres.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const database = await server.createSample('foreign')
const owner = postgres(server.url('postgres', database), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))

// As every database from before Postgres 15 is; ids as text of two kinds, and a helper that finds its table by the path.
await owner.unsafe(`
  grant create on schema public to public;
  create role mallory login;
  create schema loot authorization mallory;
  grant usage on schema loot to public;
  create table public.names (id varchar primary key, owner text not null);
  create table public.notes (id text primary key, owner text not null);
  create table public.friends (of text, friend text);
  insert into public.friends values ('zoe', 'alice');
  create function app.is_friend (owner text) returns boolean language plpgsql stable as $$
    begin return exists (select from friends f where f.of = owner and f.friend = app.user_id()); end $$;
  grant execute on function app.is_friend (text) to authenticated;
  insert into public.names values ('alices', 'alice'), ('bobs', 'bob'), ('zoes', 'zoe');
  insert into public.notes values ('alices', 'alice'), ('bobs', 'bob'), ('zoes', 'zoe');
  grant select on public.names, public.notes, public.friends to authenticated;
  alter table public.names enable row level security; alter table public.notes enable row level security;
  create policy own on public.names for select to authenticated using (owner = (select app.user_id()) or app.is_friend(owner));
  create policy own on public.notes for select to authenticated using (owner = (select app.user_id()) or app.is_friend(owner))`)

const attacker = postgres(server.url('mallory', database), { max: 1, onnotice: () => {} })
t.teardown(() => attacker.end({ timeout: 1 }))

/** Types for which an operator of one's own fits better than that of Postgres, or as well. */
const PAIRS = [
  ['varchar', 'varchar'], ['varchar', 'text'], ['text', 'varchar'], ['text', 'text'], ['name', 'text'], ['text', 'name'], ['name', 'name'], ['name', 'varchar'],
  ['"char"', 'text'], ['"char"', '"char"'], ['oid', 'oid'], ['oid', 'int4'], ['uuid', 'uuid'], ['uuid', 'text'], ['int4', 'int4'], ['bool', 'bool']
] as const
const SIGNS = ['=', '<>', '||'] as const
const NAMES = ['concat_ws', 'set_config', 'current_setting', 'pg_has_role', 'current_schemas', 'strpos', 'split_part', 'unnest', 'format_type', 'aclexplode', 'has_schema_privilege'] as const

/** What runs for mallory says as whom in the server's log, and answers yes. */
await attacker.unsafe(`
  create function loot.take (what text) returns void language plpgsql volatile as $$
    begin raise warning 'foreign code: % as %', what, current_user; end $$;
  grant execute on function loot.take (text) to public`)
for (const [n, [left, right]] of PAIRS.entries()) {
  for (const [m, sign] of SIGNS.entries()) {
    const result = sign === '||' ? 'text' : 'boolean'
    await attacker.unsafe(`
      create function public.op_${n}_${m} (${left}, ${right}) returns ${result} language plpgsql volatile as $$
        begin perform loot.take('operator ${sign}'); return ${sign === '||' ? '\'loot\'' : 'true'}; end $$;
      create operator public.${sign} (leftarg = ${left}, rightarg = ${right}, function = public.op_${n}_${m})`)
  }
}
for (const name of NAMES) {
  for (const args of ['text', 'text, text', 'text, text, boolean', 'name, oid, text', 'name', 'boolean']) {
    await attacker.unsafe(`create function public.${name} (${args}) returns text language plpgsql volatile as $$
      begin perform loot.take('function ${name}'); return 'loot'; end $$`)
  }
}
for (const name of ['text', 'uuid', 'name', 'oid', 'regclass', 'int8']) await attacker.unsafe(`create domain public.${name} as pg_catalog.int4`)
for (const name of ['pg_class', 'pg_roles', 'pg_namespace', 'pg_db_role_setting']) await attacker.unsafe(`create table public.${name} (oid pg_catalog.int4, rolname pg_catalog.text)`)

/** What foreign code said while some work was done over a session with a path. */
async function heardWhile (work: (url: string) => Promise<void>, path: string): Promise<string[]> {
  const before = (await server.readLog()).length
  await work(`${server.url('portcullis_login', database)}?options=${encodeURIComponent(`-c search_path=${path}`)}`)
  return (await server.readLog()).slice(before).split('\n').filter(line => line.includes('foreign code'))
}

function createAuthorizer (t: Test, url: string, relation: string): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url, role: 'authenticated', relations: { agents: relation, tasks: 'public.tasks' }, poolSize: 1, checkTimeoutMs: 60_000, cacheMs: 0
  }, { now: Date.now })
  t.teardown(() => authorizer.close())
  return authorizer
}

for (const path of ['"$user",public', 'public,pg_catalog']) {
  t.test(`with the path ${path}, nothing of another role runs in what we write, and nobody sees another's rows`, async (t) => {
    for (const relation of ['public.names', 'public.notes']) {
      const heard = await heardWhile(async (url) => {
        const authorizer = createAuthorizer(t, url, relation)
        await authorizer.start()
        // The helpers of policies keep their path, and with it what others put there: these are not asked here.
        await owner.unsafe(`alter policy own on ${relation} using (owner operator(pg_catalog.=) pg_catalog.current_setting('request.jwt.claim.sub'))`)
        const ask = async (user: string, agents: readonly string[] | '*'): Promise<readonly string[]> =>
          (await authorizer.visible(identityOf(user), 'unused', { agents, tasks: [] }, { fresh: true })).agents
        t.same(await ask('alice', ['alices', 'bobs']), ['alices'])
        t.same(await ask('alice', '*'), ['alices'])
        t.same(await ask('alice', ['bobs']), [])
        t.same(await ask('nobody', ['alices', 'bobs', 'zoes']), [])
      }, path)
      t.same(heard, [], relation)
    }
  })
}

t.test('the helpers of policies keep the path that they had', async (t) => {
  await attacker.unsafe('drop operator public.= (text, text)')
  await owner.unsafe('alter policy own on public.notes using (owner = (select app.user_id()) or app.is_friend(owner))')
  const authorizer = createAuthorizer(t, server.url('portcullis_login', database), 'public.notes')
  t.same((await authorizer.visible(identityOf('alice'), 'unused', { agents: ['alices', 'bobs', 'zoes'], tasks: [] }, { fresh: true })).agents, ['alices', 'zoes'])
})

const notesOf = async (t: Test, path: string): Promise<readonly string[]> => {
  const url = `${server.url('portcullis_login', database)}?options=${encodeURIComponent(`-c search_path=${path}`)}`
  return await createAuthorizer(t, url, 'public.notes').start()
}

t.test('a schema on the path in which others may create is told, with who they are', async (t) => {
  t.match(await notesOf(t, '"$user",public'), [/^every role may create in the schema public, which is on the search path/])
  t.same(await notesOf(t, 'app'), [], 'public is not on it')
  await owner.unsafe('revoke create on schema public from public; grant create on schema public to mallory; create schema authenticated; grant create on schema authenticated to public')
  t.match(await notesOf(t, '"$user",public'), [/^every role may create in the schema authenticated/, /^mallory may create in the schema public/])
  await owner.unsafe('revoke create on schema public from mallory; drop schema authenticated; grant create on schema public to authenticated')
  t.same(await notesOf(t, '"$user",public'), [], 'the roles that are ours are no others')
})

/** How another role comes to write to the path `"$user",public,extra`, how that ends, and what is told meanwhile. */
const WAYS: ReadonlyArray<readonly [string, string, readonly RegExp[]]> = [
  [`grant create on database "${database}" to mallory`, `revoke create on database "${database}" from mallory`,
    [/^mallory may create a schema authenticated, extra, portcullis_login, postgres, which does not exist .*revoke create on this database from mallory/]],
  [`grant create on database "${database}" to public`, `revoke create on database "${database}" from public`,
    [/^every role may create a schema authenticated, extra, .*revoke create on this database from public/]],
  [`alter database "${database}" owner to mallory`, `alter database "${database}" owner to postgres`,
    [/^mallory owns this database and may create a schema authenticated, extra/, /^mallory owns the schema public/]],
  ['create schema extra authorization mallory', 'drop schema extra', [/^mallory owns the schema extra/]],
  ['create schema extra authorization crowd', 'drop schema extra', [/^crowd owns the schema extra/]],
  ['create schema extra; grant create on schema extra to crowd', 'drop schema extra', [/^crowd may create in the schema extra.*from crowd/]],
  ['create schema portcullis_login authorization mallory', 'drop schema portcullis_login', [/^mallory owns the schema portcullis_login/]],
  ['create schema authenticated authorization mallory', 'drop schema authenticated', [/^mallory owns the schema authenticated/]],
  // A helper that runs as its owner has that owner's schema in the place of `$user`.
  ['create function app.of_helper () returns int language sql security definer as \'select 1\'; alter function app.of_helper () owner to helper; create schema helper authorization mallory',
    'drop function app.of_helper; drop schema helper', [/^mallory owns the schema helper/]]
]

t.test('so is every other way by which another role writes to the path, and what only our own write to is not', async (t) => {
  await owner.unsafe('revoke create on schema public from public, authenticated; create role crowd; grant crowd to mallory; create role helper')
  t.same(await notesOf(t, '"$user",public,extra'), [])
  const wrong: unknown[] = []
  for (const [way, end, expected] of WAYS) {
    await owner.unsafe(way)
    const notes = await notesOf(t, '"$user",public,extra')
    if (notes.length !== expected.length || !expected.every((pattern, at) => pattern.test(notes[at] ?? ''))) wrong.push([way, notes])
    await owner.unsafe(end)
  }
  t.same(wrong, [])
  await owner.unsafe('create role tenant; create schema extra authorization tenant; alter table public.notes owner to tenant')
  t.same(await notesOf(t, '"$user",public,extra'), [], 'the owner of a relation decides anyway')
})

/** Helpers of a policy that set a path for themselves, and what is told of it: `%` stands for the body. */
const HELPERS: ReadonlyArray<readonly [string, readonly RegExp[]]> = [
  ['language plpgsql stable set search_path = loot, pg_temp as %', [/^mallory owns the schema loot, which is on the search path that the function app\.helped\(text\) sets for itself \(loot, pg_temp\): .* inside it/]],
  ['language plpgsql stable security definer set search_path = "$user", app as %', [/^mallory may create a schema postgres, .* app\.helped\(text\) sets for itself \("\$user", app\).*revoke create on this database from mallory/]],
  ['language plpgsql stable set search_path = nowhere as %', [/^mallory may create a schema nowhere, /]],
  ['language plpgsql stable set search_path = \'\' as %', []],
  ['language plpgsql stable set search_path = app, pg_catalog as %', []],
  ['language plpgsql stable as %', []]
]

t.test('a path that a helper of the policies sets for itself is told as well, also where helpers call it; that of others is not', async (t) => {
  await owner.unsafe(`
    grant create on database "${database}" to mallory;
    create function app.unasked (owner text) returns boolean language plpgsql stable set search_path = loot as $$ begin return false; end $$;
    create function loot.of_mallory (owner text) returns boolean language plpgsql stable set search_path = loot as $$ begin return false; end $$;
    alter function loot.of_mallory owner to mallory`)
  const policies = {
    'by a policy': 'app.helped(owner)', 'by a function of one': 'app.calls_it(owner)', 'by a body in SQL': 'app.selects_it(owner)', 'by a function of mallory\'s own': 'loot.of_mallory(owner)'
  }
  const wrong: unknown[] = []
  for (const [helper, expected] of HELPERS) {
    await owner.unsafe(`
      create function app.helped (owner text) returns boolean ${helper.replace('%', () => '$$ begin return owner = app.user_id(); end $$')};
      create function app.calls_it (owner text) returns boolean language plpgsql stable as $$ begin return APP . Helped (owner); end $$;
      create function app.selects_it (owner text) returns boolean language sql stable return app.helped(owner)`)
    for (const [how, call] of Object.entries(policies)) {
      await owner.unsafe(`create policy helped on public.notes for select to authenticated using (${call})`)
      const notes = await notesOf(t, 'app')
      const wanted = call.startsWith('app') ? expected : []
      if (notes.length !== wanted.length || !wanted.every((pattern, at) => pattern.test(notes[at] ?? ''))) wrong.push([how, helper, notes])
      await owner.unsafe('drop policy helped on public.notes')
    }
    await owner.unsafe('drop function app.selects_it; drop function app.calls_it; drop function app.helped')
  }
  t.same(wrong, [])
  t.same(await notesOf(t, ''), [], 'a path with nothing on it is nobody\'s to write to')
})

t.test('functions of one owner that set the same path are one line', async (t) => {
  await owner.unsafe(`
    create function app.first (owner text) returns boolean language plpgsql stable set search_path = loot as $$ begin return app.second(owner); end $$;
    create function app.second (owner text) returns boolean language plpgsql stable set search_path = loot as $$ begin return false; end $$;
    create policy helped on public.notes for select to authenticated using (app.first(owner))`)
  t.match(await notesOf(t, 'app'), [/^mallory owns the schema loot, which is on the search path that 2 functions, app\.first\(text\) among them, set for themselves \(loot\)/])
})
