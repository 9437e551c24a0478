import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { UnsafeDatabaseError } from '../../../src/access/access-error.js'
import { createPostgresAuthorizer, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { startPgbouncer } from '../../support/pgbouncer.js'
import { startPostgres } from '../../support/postgres.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const database = await server.createSample('left')
const owner = postgres(server.url('postgres', database), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))
const LOGIN = 'portcullis_login'
const [MINE, BOBS] = ['10000000-0000-4000-8000-000000000001', '20000000-0000-4000-8000-000000000002']

// `auth.jwt()` as Supabase has it; a tenant by a setting of its own; a helper that finds its table by the search path.
await owner.unsafe(`
  create schema auth;
  create function auth.jwt () returns jsonb language sql stable as $$
    select coalesce(nullif(current_setting('request.jwt.claim', true), ''), nullif(current_setting('request.jwt.claims', true), ''))::jsonb $$;
  create table public.notes (id uuid primary key, owner text not null, tenant text not null default 'none');
  create table public.friends (of text, friend text);
  grant usage on schema auth to authenticated;
  grant select on public.notes, public.friends to authenticated;
  create function auth.is_friend (of text) returns boolean language plpgsql stable as $$
    begin return exists (select from friends f where f.of = is_friend.of and f.friend = auth.jwt() ->> 'sub'); end $$;
  create function auth.is_friend_by_definer (of text) returns boolean language plpgsql stable security definer set search_path = public as $$
    begin return exists (select from friends f where f.of = is_friend_by_definer.of and f.friend = auth.jwt() ->> 'sub'); end $$;
  create function auth.is_friend_by_invoker (of text) returns boolean language sql stable set search_path = public as $$
    select exists (select from friends f where f.of = is_friend_by_invoker.of and f.friend = auth.jwt() ->> 'sub') $$;
  alter table public.notes enable row level security;
  create policy own on public.notes for select to authenticated using (
    owner = auth.jwt() ->> 'sub' or tenant = current_setting('app.tenant', true) or auth.is_friend(owner));
  insert into public.notes (id, owner, tenant) values ('${MINE}', 'alice', 't1'), ('${BOBS}', 'bob', 't2')`)

function createAuthorizer (t: Test, url: string, agents = 'public.notes'): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url, role: 'authenticated', relations: { agents, tasks: 'public.tasks' }, poolSize: 1, checkTimeoutMs: 60_000, cacheMs: 0
  }, { now: Date.now })
  t.teardown(() => authorizer.close())
  return authorizer
}

/** What is told at a start, of one that serves nobody afterwards. */
async function startOnce (t: Test, url: string): Promise<readonly string[]> {
  const authorizer = createAuthorizer(t, url)
  const notes = await authorizer.start()
  await authorizer.close()
  return notes
}

const seenBy = async (authorizer: PostgresAuthorizer, user: string): Promise<readonly string[]> =>
  (await authorizer.visible(identityOf(user), 'unused', { agents: [MINE, BOBS], tasks: [] }, { fresh: true })).agents

const BOBS_CLAIMS = '{"sub": "bob"}'
/** What another program with the same login leaves on the one server connection of a transaction pooler. */
const LEFT: ReadonlyArray<readonly [string, string]> = [
  ['the claims that Supabase reads first', `set request.jwt.claim = '${BOBS_CLAIMS}'`],
  ['the claims', `set request.jwt.claims = '${BOBS_CLAIMS}'`],
  ['a setting of its own that a policy reads', "set app.tenant = 't2'"],
  ['a path with a schema of its own', 'set search_path = pg_temp, public'],
  ['a temporary table that a helper of a policy looks for', "create temporary table friends (of text, friend text); insert into friends values ('bob', 'alice'); grant select on friends to authenticated"],
  ['another encoding', "set client_encoding = 'LATIN1'"]
]

t.test('nothing that another program left on a pooled connection speaks for the user, and it finds its own again', async (t) => {
  const pooler = await startPgbouncer(t, server)
  const url = pooler.url('portcullis_login', database)
  const neighbour = postgres(url, { max: 1, prepare: false, onnotice: () => {} })
  t.teardown(() => neighbour.end({ timeout: 1 }))
  const authorizer = createAuthorizer(t, url)
  await authorizer.start()
  const wrong: unknown[] = []
  for (const [what, statement] of LEFT) {
    await neighbour.unsafe(statement)
    const seen = await seenBy(authorizer, 'alice')
    if (JSON.stringify(seen) !== JSON.stringify([MINE])) wrong.push([what, seen])
  }
  t.same(wrong, [])
  const [left] = await neighbour.unsafe(`select current_setting('request.jwt.claim') as claim, current_setting('app.tenant') as tenant,
    current_setting('search_path') as path, pg_backend_pid() as pid, (select count(*)::int from friends) as friends`)
  const { pid, ...settings } = left ?? { pid: null }
  t.same(settings, { claim: BOBS_CLAIMS, tenant: 't2', path: 'pg_temp, public', friends: 1 })
  const pids = await owner`select pid from pg_stat_activity where usename = 'portcullis_login'`
  t.same(pids.map(row => row['pid'] as unknown), [pid], 'it was one connection all the time')
})

/** Helpers of a policy: each looks for `friends`, by the path of the session or by one of its own. */
const HELPERS = ['is_friend', 'is_friend_by_definer', 'is_friend_by_invoker']
/** What stands in the place of `friends` for everything on the neighbour's connection, and how it is taken away. */
const TEMPORARY: ReadonlyArray<readonly [string, string]> = [
  ["create temporary table friends (of text, friend text); insert into friends values ('bob', 'alice')", 'drop table pg_temp.friends'],
  ["create temporary view friends as select 'bob'::text as of, 'alice'::text as friend", 'drop view pg_temp.friends']
]

t.test('a temporary table or view of another program is not there for a helper with a path of its own, and is there again afterwards', async (t) => {
  const pooler = await startPgbouncer(t, server)
  const neighbour = postgres(pooler.url(LOGIN, database), { max: 1, prepare: false, onnotice: () => {} })
  t.teardown(() => neighbour.end({ timeout: 1 }))
  const authorizer = createAuthorizer(t, pooler.url(LOGIN, database))
  await authorizer.start()
  t.teardown(() => owner.unsafe("alter policy own on public.notes using (owner = auth.jwt() ->> 'sub' or tenant = current_setting('app.tenant', true) or auth.is_friend(owner))"))
  const wrong: unknown[] = []
  for (const helper of HELPERS) {
    await owner.unsafe(`alter policy own on public.notes using (owner = auth.jwt() ->> 'sub' or auth.${helper}(owner))`)
    for (const [create, drop] of TEMPORARY) {
      await neighbour.unsafe(`${create}; grant select on pg_temp.friends to public`)
      // Postgres keeps the helper's plan for the session, made when the neighbour's object was there.
      const ask = 'begin; set local role authenticated; select set_config(\'request.jwt.claims\', \'{"sub": "alice"}\', true)'
      await neighbour.unsafe(`${ask}; select auth.${helper}('bob'); commit`)
      const [seen, again] = [await seenBy(authorizer, 'alice'), await seenBy(authorizer, 'alice')]
      const [left] = await neighbour.unsafe('select count(*)::int as friends from pg_temp.friends')
      const found = [seen, again, left]
      if (JSON.stringify(found) !== JSON.stringify([[MINE], [MINE], { friends: 1 }])) wrong.push([helper, create, ...found])
      await neighbour.unsafe(drop)
    }
  }
  t.same(wrong, [])
})

/** Words by which Postgres takes a setting for off. */
const OFF = ['off', 'OF', 'false', 'f', 'no', 'n', '0']

/** `options` in which the address gives a setting, as Postgres reads them. */
const spellings = (name: string, value: string): string[] =>
  [`-c ${name}=${value}`, `-c${name}=${value}`, `-c statement_timeout=50s --${name.toUpperCase()}=${value}`,
    `-ec ${name}=${value}`, `-e -eec${name}=${value}`, `-S 5000 -e -c ${name}=${value}`, `-fs -e-${name}=${value}`]

t.test('what the address gives to each session is refused or told as well', async (t) => {
  const urlWith = (options: string): string => `${server.url(LOGIN, database)}?options=${encodeURIComponent(options)}`
  for (const options of ['request.jwt.claim', 'request.jwt.claim.org'].flatMap(name => spellings(name, '{"sub":"bob"}'))) {
    const authorizer = createAuthorizer(t, urlWith(options))
    const refusal = await authorizer.start().catch((error: unknown) => error)
    t.ok(refusal instanceof UnsafeDatabaseError, options)
    t.match((refusal as UnsafeDatabaseError).reasons, [/^DATABASE_URL sets request\.jwt\.claim/i])
    await t.rejects(seenBy(authorizer, 'alice'), UnsafeDatabaseError)
    await authorizer.close()
  }
  for (const options of spellings('app.tenant', 't\\ 2')) {
    t.match(await startOnce(t, urlWith(options)), [/^DATABASE_URL sets app\.tenant for every session/i], options)
  }
  for (const options of ['-c search_path=public', '-S 5000', '-c row_security=on', '-e -c row_security=true']) {
    t.same(await startOnce(t, urlWith(options)), [], options)
  }
  for (const options of OFF.map(off => `-c row_security=${off}`).concat(spellings('row_security', 'no'))) {
    t.match(await startOnce(t, urlWith(options)), [/^DATABASE_URL turns row_security off for every session/], options)
  }
})

t.test('so is what the configuration of the server gives, under each name that a policy or a function reads', async (t) => {
  const [place] = await owner`show data_directory`
  const file = join(String(place?.['data_directory']), 'postgresql.auto.conf')
  const start = async (agents?: string): Promise<readonly string[]> => {
    const authorizer = createAuthorizer(t, server.url(LOGIN, database), agents)
    return await authorizer.start().catch((error: unknown) => {
      if (error instanceof UnsafeDatabaseError) return error.reasons
      throw error
    }).finally(() => authorizer.close())
  }
  const give = async (text: string): Promise<void> => {
    await writeFile(file, text)
    await owner`select pg_reload_conf()`
    await until('the server has read it', async () => {
      const fresh = postgres(server.url(LOGIN, database), { max: 1 })
      const [row] = await fresh`select coalesce(current_setting('app.mark', true), '') as mark`
      await fresh.end()
      return row?.['mark'] === (text.match(/app\.mark = '(.*)'/)?.[1] ?? '')
    })
  }
  t.teardown(() => give(''))
  await give("app.mark = '1'\napp.tenant = 't2'\napp.nobody_reads_it = 'x'\n")
  t.match(await start(), [/^the configuration of the server sets app\.tenant for every session/])
  await owner.unsafe(`create view public.of_tenant with (security_invoker = true) as select id from public.notes where current_setting('app.of_view', true) is null or true;
    grant select on public.of_tenant to authenticated`)
  await give("app.mark = '2'\napp.of_view = 't2'\n")
  t.same(await start(), [], 'a view that nothing rests on')
  t.match(await start('public.of_tenant'), [/^the configuration of the server sets app\.of_view for every session/])
  for (const off of OFF) {
    await give(`app.mark = 'row ${off}'\nrow_security = ${off}\n`)
    t.match(await start(), [/^the configuration of the server turns row_security off for every session/], off)
  }
  await owner.unsafe('create function auth.org () returns text language sql stable begin atomic; select current_setting(\'Request.org\', true); end')
  t.teardown(() => owner.unsafe('drop function auth.org'))
  // A file of Postgres takes one dot in a name at most.
  for (const name of ['request.org', 'request.headers']) {
    await give(`app.mark = '${name}'\n${name} = '${BOBS_CLAIMS}'\n`)
    t.match(await start(), [new RegExp(`^the configuration of the server sets ${name} for every session, and policies would take it`)])
  }
})

for (const [place, given] of [
  [`role ${LOGIN}`, `alter role ${LOGIN}`], [`database ${database}`, `alter database "${database}"`],
  [`role ${LOGIN} in database ${database}`, `alter role ${LOGIN} in database "${database}"`], ['every role', 'alter role all']
] as const) {
  t.test(`a default that ${place} gives to every session`, async (t) => {
    const where = place === 'every role' ? /^every role / : new RegExp(`^${place} (?:sets|turns) `)
    await t.test('is refused where it would be taken for the user\'s claims', async (t) => {
      for (const name of ['request.jwt.claim', 'Request.JWT.claims', 'request.headers']) {
        await owner.unsafe(`${given} set ${name} = '${BOBS_CLAIMS}'`)
        const authorizer = createAuthorizer(t, server.url(LOGIN, database))
        const refusal = await authorizer.start().catch((error: unknown) => error)
        t.ok(refusal instanceof UnsafeDatabaseError)
        t.match((refusal as UnsafeDatabaseError).reasons, [where])
        await t.rejects(seenBy(authorizer, 'alice'), UnsafeDatabaseError, 'nor does a later connection serve')
        await owner.unsafe(`${given} reset ${name}`)
      }
    })
    await t.test('is told where it is another\'s', async (t) => {
      await owner.unsafe(`${given} set app.tenant = 't0'; ${given} set statement_timeout = '50s'; ${given} set row_security = off`)
      const authorizer = createAuthorizer(t, server.url(LOGIN, database))
      const notes = await authorizer.start()
      t.match(notes, [/ sets app\.tenant for every session/, / turns row_security off for every session/])
      t.match(notes, [where, where])
      t.equal(notes.length, 2)
      t.same(await seenBy(authorizer, 'alice'), [MINE])
      await owner.unsafe(`${given} reset app.tenant; ${given} reset statement_timeout`)
      for (const off of OFF) {
        await owner.unsafe(`${given} set row_security = '${off}'`)
        const told = await startOnce(t, server.url(LOGIN, database))
        t.match(told, [/ turns row_security off for every session/], off)
        t.match(told, [where], off)
      }
      await owner.unsafe(`${given} set row_security = on`)
      t.same(await startOnce(t, server.url(LOGIN, database)), [])
      await owner.unsafe(`${given} reset row_security`)
    })
  })
}
