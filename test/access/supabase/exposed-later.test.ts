import { createSigner } from 'fast-jwt'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { UnsafeDatabaseError } from '../../../src/access/access-error.js'
import { createSupabaseAuthorizer, type SupabaseAuthorizer } from '../../../src/access/supabase/authorizer.js'
import { startPostgres } from '../../support/postgres.js'
import { startPostgrest } from '../../support/postgrest.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const KEY = 'the shared key of the tests, long enough for HS256'
const sign = createSigner({ key: KEY, expiresIn: 60_000 })
const LOOK_EVERY_MS = 40
const [MINE, BOBS] = ['a0000000-0000-4000-8000-0000000000a1', 'b0000000-0000-4000-8000-0000000000a1']

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))
await owner.unsafe('create role anon nologin; grant anon to portcullis_login; grant usage on schema public to anon; grant select on public.agents, public.tasks to anon')
const api = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY })

interface Watched {
  readonly authorizer: SupabaseAuthorizer
  /** What was told, in order: reasons, or null when it is safe again. */
  readonly told: Array<readonly string[] | null>
  /** Which of alice's and bob's agents alice sees. */
  seen (): Promise<readonly string[]>
}

function watch (t: Test, lookEveryMs = LOOK_EVERY_MS, publicTables: readonly string[] = []): Watched {
  const told: Array<readonly string[] | null> = []
  const authorizer = createSupabaseAuthorizer({
    url: api.url, anonKey: api.anonKey, relations: { agents: 'public.agents', tasks: 'public.tasks' }, publicTables, checkTimeoutMs: 60_000, cacheMs: 5000, lookEveryMs
  }, { now: () => performance.now() })
  t.teardown(async () => {
    api.answerWith(null)
    await authorizer.close()
    await owner.unsafe('alter table public.agents enable row level security; alter table public.tasks enable row level security')
  })
  authorizer.watchSafety?.((reasons) => { told.push(reasons) })
  const alice = identityOf('alice', { role: 'authenticated' })
  return {
    authorizer,
    told,
    seen: async () => (await authorizer.visible(alice, sign(alice.claims), { agents: [MINE, BOBS], tasks: [] }, { fresh: false })).agents
  }
}

for (const table of ['agents', 'tasks']) {
  t.test(`row security of ${table} that is switched off later is seen while nobody asks: nothing is given until it is on again`, async (t) => {
    const { authorizer, told, seen } = watch(t)
    t.same(await authorizer.start(), [])
    t.same(await seen(), [MINE])
    await owner.unsafe(`alter table public.${table} disable row level security`)
    await until('it was told', () => told.length > 0)
    t.match(told, [[new RegExp(`^the anon key alone sees rows of public\\.${table}: .*that was not so before: if it is meant, name the table in SUPABASE_PUBLIC_TABLES$`)]])
    await t.rejects(seen(), UnsafeDatabaseError, 'not from memory either')
    await owner.unsafe(`alter table public.${table} enable row level security`)
    await until('it was told', () => told.length > 1)
    t.equal(told[1], null)
    t.same(await seen(), [MINE])
  })
}

t.test('what was so at the start is told then, and ends nothing; once it was mended it counts', async (t) => {
  await owner.unsafe('alter table public.agents disable row level security')
  const { authorizer, told, seen } = watch(t)
  t.match(await authorizer.start(), [/^the anon key alone sees rows of public\.agents/])
  const asked = api.requests.length
  await until('each table was looked at twice', () => api.requests.length >= asked + 4)
  t.same(await seen(), [MINE, BOBS])
  t.same(told, [])
  await owner.unsafe('alter table public.agents enable row level security')
  const mended = api.requests.length
  await until('each table was looked at twice', () => api.requests.length >= mended + 4)
  await owner.unsafe('alter table public.agents disable row level security')
  await until('it was told', () => told.length > 0)
})

t.test('a look that the database gave up says nothing: what was so at the start is not forgotten by it', async (t) => {
  await owner.unsafe('alter table public.agents disable row level security')
  const { authorizer, told } = watch(t)
  t.equal((await authorizer.start()).length, 1)
  const looks = async (count: number): Promise<void> => {
    const before = api.requests.length
    await until('it was looked again', () => api.requests.length >= before + count)
  }
  for (const code of ['57014', 'P0001', '40P01']) {
    api.answerWith({ status: code === '57014' ? 500 : 400, body: JSON.stringify({ code, message: 'words', details: null, hint: null }) })
    await looks(3)
    api.answerWith(null)
    await looks(3)
    t.same(told, [], code)
  }
})

t.test('nothing is looked at before the first look has ended, nor after a close in its midst', async (t) => {
  api.answerWith('hang')
  const { authorizer } = watch(t, 1)
  const before = api.requests.length
  const starting = authorizer.start()
  await until('both tables are asked for', () => api.requests.length === before + 2)
  const aWhile = async (): Promise<void> => {
    const beganMs = performance.now()
    await until('a hundred looks could have come', () => performance.now() - beganMs > 100)
  }
  await aWhile()
  t.equal(api.requests.length, before + 2)
  await authorizer.close()
  await t.rejects(starting)
  api.answerWith(null)
  await aWhile()
  t.equal(api.requests.length, before + 2)
})

t.test('what could not be looked at as the gateway started may show no rows later', async (t) => {
  await owner.unsafe('alter table public.agents disable row level security')
  api.answerWith({ status: 503, body: '{}' })
  const { authorizer, told } = watch(t)
  await t.rejects(authorizer.start(), { reason: 'http_status', code: '503' })
  api.answerWith(null)
  await until('it was told', () => told.length > 0)
})

t.test('a look is one request, of each table in its turn, and a project that is away ends nothing', async (t) => {
  const { authorizer, told, seen } = watch(t)
  await authorizer.start()
  const startedAt = performance.now()
  const before = api.requests.length
  await until('it was looked six times', () => api.requests.length >= before + 6)
  const looks = api.requests.slice(before)
  t.ok(looks.length <= (performance.now() - startedAt) / (LOOK_EVERY_MS / 2 * 0.75) + 1, 'no more often than said')
  const tables = looks.map(path => /\/(agents|tasks)\?.*limit=1$/.exec(path)?.[1])
  t.same(tables, looks.map((_, at) => (at % 2 === 0) === (tables[0] === 'agents') ? 'agents' : 'tasks'))
  api.answerWith({ status: 503, body: '{}' })
  const away = api.requests.length
  await until('it was looked in vain', () => api.requests.length >= away + 3)
  api.answerWith(null)
  await until('it answers again', async () => (await seen().catch(() => [])).length > 0)
  t.same(told, [])
  await authorizer.close()
})

t.test('a table that is public on purpose may be empty at the start: its first row ends nothing, and that of the other still does', async (t) => {
  await owner.unsafe('create table public.kept as select * from public.agents; delete from public.agents; alter table public.agents disable row level security')
  t.teardown(() => owner.unsafe('drop table if exists public.kept'))
  const { authorizer, told, seen } = watch(t, LOOK_EVERY_MS, ['public.agents'])
  t.same(await authorizer.start(), [])
  await owner.unsafe('insert into public.agents select * from public.kept')
  const filled = api.requests.length
  await until('it was looked several times', () => api.requests.length >= filled + 4)
  t.same(await seen(), [MINE, BOBS])
  t.same(told, [])
  await owner.unsafe('alter table public.tasks disable row level security')
  await until('it was told', () => told.length > 0)
  t.match(told, [[/^the anon key alone sees rows of public\.tasks: /]])
})
