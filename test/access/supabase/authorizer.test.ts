import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createSigner } from 'fast-jwt'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import type { Asked, Authorizer, Visible } from '../../../src/access/authorizer.js'
import { createSupabaseAuthorizer, type SupabaseAccessSettings, type SupabaseAuthorizer } from '../../../src/access/supabase/authorizer.js'
import { startPostgres } from '../../support/postgres.js'
import { startPostgrest } from '../../support/postgrest.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const KEY = 'the shared key of the tests, long enough for HS256'
const sign = createSigner({ key: KEY, expiresIn: 60_000 })

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))
const api = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY })

const ACME: Visible = {
  agents: ['a0000000-0000-4000-8000-0000000000a1', 'a0000000-0000-4000-8000-0000000000a2'],
  tasks: ['a0000000-0000-4000-8000-0000000000f1', 'a0000000-0000-4000-8000-0000000000f2']
}
const GLOBEX: Visible = { agents: ['b0000000-0000-4000-8000-0000000000a1'], tasks: ['b0000000-0000-4000-8000-0000000000f1'] }
const ALL: Asked = { agents: [...ACME.agents, ...GLOBEX.agents], tasks: [...ACME.tasks, ...GLOBEX.tasks] }
const NOTHING: Visible = { agents: [], tasks: [] }

const RELATIONS = { agents: 'public.agents', tasks: 'public.tasks' }
let nowMs = 1_000_000
/** One that has had its first look. */
async function startAuthorizer (t: Test, more: Partial<SupabaseAccessSettings> = {}): Promise<Authorizer> {
  const authorizer = createAuthorizer(t, more)
  await authorizer.start()
  return authorizer
}

function createAuthorizer (t: Test, more: Partial<SupabaseAccessSettings> = {}): SupabaseAuthorizer {
  const authorizer = createSupabaseAuthorizer({
    url: api.url,
    anonKey: api.anonKey,
    relations: RELATIONS,
    publicTables: [],
    checkTimeoutMs: 60_000,
    cacheMs: 0,
    onShown: () => {},
    ...more
  }, { now: () => nowMs })
  t.teardown(async () => {
    api.answerWith(null)
    await authorizer.close()
  })
  return authorizer
}

interface Question {
  readonly user: string
  readonly asked: Asked
  readonly claims?: Record<string, unknown>
  readonly token?: string
}

async function ask (authorizer: Authorizer, { user, asked, claims = {}, token }: Question): Promise<Visible> {
  const identity = identityOf(user, { role: 'authenticated', ...claims })
  return await authorizer.visible(identity, token ?? sign(identity.claims), asked, { fresh: false })
}

t.test('a user sees the agents and tasks of their own organizations only, both kinds asked at once, and nobody in particular after them', async (t) => {
  const authorizer = await startAuthorizer(t, { url: `${api.url}/` })
  const before = api.requests.length
  t.same(await ask(authorizer, { user: 'alice', asked: ALL }), ACME)
  t.equal(api.requests.length, before + 4)
  t.same(await ask(authorizer, { user: 'bob', asked: ALL }), GLOBEX)
  t.same(await ask(authorizer, { user: 'mallory', asked: ALL }), NOTHING)
  t.same(await ask(authorizer, { user: 'alice', asked: { agents: '*', tasks: '*' } }), ACME)
})

t.test('a kind that is not asked for costs no request', async (t) => {
  const authorizer = await startAuthorizer(t)
  const before = api.requests.length
  t.same(await ask(authorizer, { user: 'alice', asked: { agents: ACME.agents, tasks: [] } }), { ...ACME, tasks: [] })
  t.equal(api.requests.length, before + 2)
  t.same(await ask(authorizer, { user: 'bob', asked: { agents: ACME.agents, tasks: [] } }), NOTHING)
  t.equal(api.requests.length, before + 3, 'what the user does not see is not asked about again')
})

t.test('an id that is no uuid is forbidden, like a missing one and another tenant\'s, and does not spoil the others', async (t) => {
  const authorizer = createAuthorizer(t)
  const [mine = ''] = ACME.agents
  for (const id of ['a1', '7', 'a.b', 'x:y', mine.toUpperCase(), 'c0000000-0000-4000-8000-000000000001', GLOBEX.agents[0] ?? '']) {
    t.same(await ask(authorizer, { user: 'alice', asked: { agents: [id], tasks: [id] } }), NOTHING, id)
    t.same(await ask(authorizer, { user: 'alice', asked: { agents: [id, mine], tasks: [] } }), { agents: [mine], tasks: [] }, `${id} beside a good one`)
  }
  t.same(await ask(authorizer, { user: 'alice', asked: ALL }), ACME)
})

t.test('ids of text and whole-number columns are found, whatever is in them', async (t) => {
  await owner.unsafe(`
    create table public.names (id text primary key); create table public.numbers (id bigint primary key);
    alter table public.names enable row level security; alter table public.numbers enable row level security;
    create policy everybody on public.names for select to authenticated using (true);
    create policy everybody on public.numbers for select to authenticated using (true);
    grant select on public.names, public.numbers to authenticated;
    insert into public.names values ('a.b'), ('c:d'), ('e'), ('f,g'), ('h"i'), ('j\\k');
    insert into public.numbers values (7), (9007199254740993)`)
  const authorizer = createAuthorizer(t, { relations: { agents: 'public.names', tasks: 'public.numbers' } })
  t.same(await ask(authorizer, {
    user: 'alice',
    asked: {
      agents: ['a.b', 'c:d', 'b', 'd', 'f', 'g', 'f,g', 'h"i', 'j\\k', ')&or=(id.eq.e'],
      tasks: ['7', '9007199254740993', '9007199254740992', '07', '99999999999999999999', 'seven', ACME.tasks[0] ?? '']
    }
  }), { agents: ['a.b', 'c:d', 'f,g', 'h"i', 'j\\k'], tasks: ['7', '9007199254740993'] })
})

t.test('one user whose claims make a policy stumble spoils nothing for the others', async (t) => {
  await owner.unsafe(`
    create table public.picky (id text primary key); alter table public.picky enable row level security;
    create policy org on public.picky for select to authenticated
      using ((current_setting('request.jwt.claims')::jsonb ->> 'org')::uuid is not null);
    grant select on public.picky to authenticated; insert into public.picky values ('p1'), ('${ACME.agents[0]}')`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.picky' } })
  const asked = { agents: ['p1', ...ACME.agents], tasks: [] }
  for (let attempt = 0; attempt < 10; attempt++) {
    t.same(await ask(authorizer, { user: 'eve', asked, claims: { org: 'p1' } }), NOTHING)
  }
  t.same((await ask(authorizer, { user: 'alice', asked, claims: { org: ACME.agents[0] } })).agents, ['p1', ACME.agents[0]])
})

t.test('long lists go in several requests of bounded length', async (t) => {
  await owner.unsafe(`
    create table public.long (id text primary key); alter table public.long enable row level security;
    create policy everybody on public.long for select to authenticated using (true);
    grant select on public.long to authenticated;
    insert into public.long select rpad(n::text || ':', 128, ':') from generate_series(1, 300) n`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.long' } })
  const ids = Array.from({ length: 200 }, (_, index) => `${index + 201}:`.padEnd(128, ':'))
  const before = api.requests.length
  t.same((await ask(authorizer, { user: 'alice', asked: { agents: ids, tasks: [] } })).agents, ids.slice(0, 100))
  const sent = api.requests.slice(before)
  t.ok(sent.length > 1)
  t.ok(sent.every((path) => path.length < 7000), 'no request line is too long for a proxy')
})

t.test('a list is never cut where the project returns fewer rows than were asked for', async (t) => {
  await owner.unsafe(`
    create table public.lots (id bigint primary key); alter table public.lots enable row level security;
    create policy few on public.lots for select to authenticated
      using (id <= (current_setting('request.jwt.claims')::jsonb ->> 'rows')::int);
    grant select on public.lots to authenticated; insert into public.lots select generate_series(1, 3000)`)
  const narrow = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY, maxRows: 400 })
  const authorizer = createAuthorizer(t, { url: narrow.url, relations: { ...RELATIONS, agents: 'public.lots' } })
  for (const [rows, listed] of [[0, 0], [1, 1], [400, 400], [1000, 1000], [1001, 1001], [3000, 1001]]) {
    const { agents } = await ask(authorizer, { user: 'alice', asked: { agents: '*', tasks: [] }, claims: { rows } })
    t.equal(new Set(agents).size, listed)
  }
})

t.test('rows of others whose ids nobody can ask for cost nobody anything: long ones, one of a megabyte, a thousand that come first', async (t) => {
  await owner.unsafe(`
    create table public.shared (id text); alter table public.shared enable row level security;
    create policy everybody on public.shared for select to authenticated using (true);
    grant select on public.shared to authenticated; insert into public.shared values ('z1'), ('z2')`)
  const authorizer = await startAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.shared' } })
  const wrong: unknown[] = []
  for (const odd of ["repeat('L', 129)", "repeat('L', 20000)", "repeat('L', 1000000)", "' ' || generate_series(1, 1001)"]) {
    await owner.unsafe(`insert into public.shared select ${odd}`)
    const seen = await ask(authorizer, { user: 'alice', asked: { agents: '*', tasks: [] } }).then(({ agents }) => agents.join(), String)
    if (seen !== 'z1,z2') wrong.push([odd, seen.slice(0, 100)])
    await owner.unsafe("delete from public.shared where id not like 'z%'")
  }
  t.same(wrong, [])
})

/** Hands requests on, those of the anon key in fours; of `expected` of them the last ones as they come. */
async function startInFours (t: Test, expected: number): Promise<{ url: string, mostOpen: () => number, asked: () => number }> {
  let [open, most, asked] = [0, 0, 0]
  const held: Array<() => void> = []
  const server = createServer((request, response) => {
    const pass = (): void => {
      const headers = Object.fromEntries(['accept-profile', 'apikey', 'authorization', 'prefer'].flatMap(name => request.headers[name] === undefined ? [] : [[name, String(request.headers[name])]]))
      void fetch(`${api.url}${request.url}`, { headers }).then(async (answer) => {
        const body = await answer.text()
        open--
        response.writeHead(answer.status, { 'content-range': answer.headers.get('content-range') ?? '*/*' }).end(body)
      })
    }
    most = Math.max(most, ++open)
    if (request.headers.authorization !== `Bearer ${api.anonKey}`) return pass()
    asked++
    held.push(pass)
    if (held.length === 4 || asked === expected) for (const release of held.splice(0)) release()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, mostOpen: () => most, asked: () => asked }
}

t.test('what a user sees of a long list is judged by few requests, four at a time, and one that is public costs no more', async (t) => {
  await owner.unsafe(`
    create role anon nologin; grant anon to portcullis_login; grant usage on schema public to anon;
    create table public.many (id uuid primary key, is_public boolean not null default false); alter table public.many enable row level security;
    create policy everybody on public.many for select to authenticated using (true); create policy shown on public.many for select to anon using (is_public);
    grant select on public.many to authenticated, anon; insert into public.many select gen_random_uuid() from generate_series(1, 1000)`)
  t.teardown(() => owner.unsafe('drop owned by anon; drop role anon').then(() => {}, () => {}))
  for (const shown of [0, 1]) {
    if (shown === 1) await owner.unsafe('update public.many set is_public = true where id = (select id from public.many limit 1)')
    const way = await startInFours(t, 10)
    const authorizer = createAuthorizer(t, { url: way.url, relations: { ...RELATIONS, agents: 'public.many' }, publicTables: ['none'] })
    const { agents } = await ask(authorizer, { user: 'alice', asked: { agents: '*', tasks: [] } })
    t.same([agents.length, way.asked(), way.mostOpen()], [1000 - shown, 10, 4])
  }
})

t.test('a token that PostgREST does not take is no answer, and no failure of PostgREST', async (t) => {
  const authorizer = createAuthorizer(t)
  const forged = createSigner({ key: 'another key of the tests, long enough for HS256' })({ sub: 'alice', role: 'authenticated' })
  for (let attempt = 0; attempt < 10; attempt++) {
    await t.rejects(ask(authorizer, { user: 'alice', asked: ALL, token: forged }), { name: 'AccessError', message: 'PostgREST answered 401', answered: true })
  }
  t.same(await ask(authorizer, { user: 'alice', asked: ALL }), ACME)
})

t.test('a role that may not read the table sees nothing', async (t) => {
  await owner.unsafe('create role visitor; grant visitor to portcullis_login; grant usage on schema public to visitor')
  const authorizer = createAuthorizer(t)
  t.same(await ask(authorizer, { user: 'alice', asked: ALL, claims: { role: 'visitor' } }), NOTHING)
})

t.test('rows that were not asked for are not believed', async (t) => {
  const authorizer = createAuthorizer(t, { publicTables: ['public.agents'] })
  api.answerWith({ status: 200, body: JSON.stringify([{ id: GLOBEX.agents[0] }, { id: ACME.agents[0] }]) })
  t.same(await ask(authorizer, { user: 'alice', asked: { agents: ACME.agents, tasks: [] } }), { agents: [ACME.agents[0]], tasks: [] })
})

t.test('whatever is no clear answer rejects, without a word of the token or of PostgREST', async (t) => {
  const answers = [
    { status: 200, body: '<html>hello</html>' }, { status: 200, body: '{"id":"x"}' }, { status: 200, body: '[{"id":7}]' },
    { status: 200, body: '[null]' }, { status: 200, body: '' }, { status: 200, body: `[${' '.repeat(600_000)}]` }, { status: 204, body: '' },
    { status: 301, headers: { location: `${api.url}/elsewhere` }, body: '' }, { status: 400, body: '{"code":"PGRST100"}' },
    { status: 404, body: '{}' }, { status: 429, body: '{}' }, { status: 500, body: '{"code":"57014"}' }, { status: 502, body: 'bad gateway' }
  ]
  for (const answer of answers) {
    const authorizer = createAuthorizer(t)
    api.answerWith(answer)
    const token = sign({ sub: 'alice', role: 'authenticated' })
    const failure = await ask(authorizer, { user: 'alice', asked: ALL, token }).catch((error: unknown) => error)
    const label = `${answer.status} ${answer.body.slice(0, 20)}`
    t.match(failure, { name: 'AccessError', message: /^PostgREST/ }, label)
    t.notMatch(failure instanceof Error ? `${failure.message}${failure.stack}${String(failure.cause)}` : '', new RegExp(`${token.slice(-20)}|gateway|hello`))
  }
})

t.test('a redirect is not followed: it would carry the keys to somebody else', async (t) => {
  const elsewhere = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY })
  const authorizer = createAuthorizer(t)
  for (const status of [301, 302, 307, 308]) {
    api.answerWith({ status, headers: { location: `${elsewhere.url}/rest/v1/agents?select=id::text` }, body: '' })
    await t.rejects(ask(authorizer, { user: 'alice', asked: ALL }), { name: 'AccessError' })
  }
  t.equal(elsewhere.requests.length, 0)
})

t.test('a list without a count is no clear answer', async (t) => {
  const authorizer = createAuthorizer(t)
  api.answerWith({ status: 200, headers: { 'content-range': '0-0/*' }, body: JSON.stringify([{ id: ACME.agents[0] }]) })
  await t.rejects(ask(authorizer, { user: 'alice', asked: { agents: '*', tasks: [] } }), { message: 'PostgREST did not count the rows' })
})

t.test('with PostgREST hanging a check ends by the deadline, and the breaker keeps the rest away until it is back', async (t) => {
  const authorizer = createAuthorizer(t, { checkTimeoutMs: 60 })
  api.answerWith('hang')
  for (let attempt = 0; attempt < 5; attempt++) {
    await t.rejects(ask(authorizer, { user: 'alice', asked: ALL }), { message: 'PostgREST did not answer in time' })
  }
  const refusal = async (): Promise<string> =>
    await ask(authorizer, { user: 'alice', asked: ALL }).then(() => '', (error: unknown) => error instanceof Error ? error.message : '')
  await until('the probe hangs as well', async () => /not asked again yet/.test(await refusal()))
  const before = api.requests.length
  t.match(await refusal(), /not asked again yet/)
  t.equal(api.requests.length, before)
})

t.test('with PostgREST away nobody sees anything', async (t) => {
  const authorizer = createAuthorizer(t, { url: 'http://127.0.0.1:1' })
  await t.rejects(ask(authorizer, { user: 'alice', asked: ALL }), { name: 'AccessError', message: 'PostgREST cannot be reached' })
})

t.test('hundreds of interleaved checks never cross', async (t) => {
  const authorizer = createAuthorizer(t, { checkTimeoutMs: 120_000 })
  const outcomes = await Promise.all(Array.from({ length: 180 }, async (_, index) => {
    const user = index % 2 === 0 ? 'alice' : 'bob'
    return JSON.stringify(await ask(authorizer, { user, asked: ALL })) === JSON.stringify(user === 'alice' ? ACME : GLOBEX)
  }))
  t.equal(outcomes.filter((right) => !right).length, 0)
})

t.test('a yes is remembered for one claims set, for seconds', async (t) => {
  const authorizer = createAuthorizer(t, { cacheMs: 5000 })
  const token = sign({ sub: 'alice', role: 'authenticated' })
  t.same(await ask(authorizer, { user: 'alice', asked: ACME, token }), ACME)
  const before = api.requests.length
  t.same(await ask(authorizer, { user: 'alice', asked: ACME, token }), ACME)
  t.equal(api.requests.length, before)
  t.same(await ask(authorizer, { user: 'bob', asked: ACME }), NOTHING)
  nowMs += 5000
  t.same(await ask(authorizer, { user: 'alice', asked: ACME, token }), ACME)
  t.ok(api.requests.length > before + 2)
})

t.test('a policy that is slow for one user costs the others nothing, nor does PostgREST count as away', async (t) => {
  await owner.unsafe(`
    create table public.slow (id text primary key); alter table public.slow enable row level security;
    create policy sleeps on public.slow for select to authenticated
      using (case when current_setting('request.jwt.claims')::jsonb ->> 'sub' = 'eve' then pg_sleep(600) is not null else true end);
    grant select on public.slow to authenticated; insert into public.slow values ('s1')`)
  const authorizer = createAuthorizer(t, { relations: { ...RELATIONS, agents: 'public.slow' }, checkTimeoutMs: 10_000 })
  const asked = { agents: ['s1'], tasks: [] }
  const attack = Array.from({ length: 12 }, async () => await ask(authorizer, { user: 'eve', asked }).catch((error: unknown) => error))
  const seen = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await ask(authorizer, { user: `user${n}`, asked })).agents))
  t.same(seen, seen.map(() => ['s1']))
  const [{ asleep } = { asleep: 0 }] = await server.admin`select count(*)::int as asleep from pg_stat_activity where wait_event = 'PgSleep'`
  t.ok(asleep <= 2, `she holds two connections: ${asleep}`)
  await authorizer.close()
  await Promise.all(attack)
  await server.admin`select pg_cancel_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'`
})

t.test('a time-out or another error of one statement is an answer about that statement only', async (t) => {
  const authorizer = createAuthorizer(t)
  for (const [status, code, answered] of [[500, '57014', true], [500, '40001', true], [500, 'XX000', false], [503, 'PGRST000', false], [504, 'PGRST003', false], [503, '53300', false]] as const) {
    api.answerWith({ status, body: JSON.stringify({ code, message: 'x' }) })
    await t.rejects(ask(authorizer, { user: 'alice', asked: ALL }), { message: `PostgREST answered ${status}`, answered }, code)
  }
})
