import { createSigner } from 'fast-jwt'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { createSupabaseAuthorizer, type SupabaseAccessSettings, type SupabaseAuthorizer } from '../../../src/access/supabase/authorizer.js'
import { startPostgres } from '../../support/postgres.js'
import { startPostgrest } from '../../support/postgrest.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const KEY = 'the shared key of the tests, long enough for HS256'
const sign = createSigner({ key: KEY, expiresIn: 60_000 })
/** Rows of the sample: alice sees the first two of each, bob the third. */
const ROWS = {
  agents: ['a0000000-0000-4000-8000-0000000000a1', 'a0000000-0000-4000-8000-0000000000a2', 'b0000000-0000-4000-8000-0000000000a1'],
  tasks: ['a0000000-0000-4000-8000-0000000000f1', 'a0000000-0000-4000-8000-0000000000f2', 'b0000000-0000-4000-8000-0000000000f1']
}
const ASKED = {
  named: ROWS,
  listed: { agents: '*', tasks: '*' }
} as const

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
t.teardown(() => owner.end({ timeout: 1 }))
// A user may show a row of her own to everybody, as many applications let users do.
await owner.unsafe('create role anon nologin; grant anon to portcullis_login; grant usage on schema public to anon')
for (const table of ['agents', 'tasks']) {
  await owner.unsafe(`grant select (id) on public.${table} to anon; alter table public.${table} add column is_public boolean not null default false;
    create policy shown on public.${table} for select using (is_public); grant select (is_public) on public.${table} to anon`)
}
const api = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY })

interface Watched {
  readonly authorizer: SupabaseAuthorizer
  /** Sentences for operators, in order. */
  readonly told: string[]
  /** Whether it was ever told to be unsafe for everybody. */
  readonly ended: Array<readonly string[] | null>
  /** What a user sees of all rows, not from memory: `a1`, `f2` and the like, with a letter for the tenant before. */
  seen (user: string, asked?: keyof typeof ASKED): Promise<string>
}

function watch (t: Test, more: Partial<SupabaseAccessSettings> = {}): Watched {
  const [told, ended]: [string[], Array<readonly string[] | null>] = [[], []]
  const authorizer = createSupabaseAuthorizer({
    url: api.url,
    anonKey: api.anonKey,
    relations: { agents: 'public.agents', tasks: 'public.tasks' },
    checkTimeoutMs: 60_000,
    cacheMs: 5000,
    publicTables: [],
    onShown: (sentence) => { told.push(sentence) },
    ...more
  }, { now: () => performance.now() })
  t.teardown(async () => {
    api.answerWith(null)
    api.answerAnonWith(null)
    await authorizer.close()
    for (const table of ['agents', 'tasks']) await owner.unsafe(`alter table public.${table} enable row level security; update public.${table} set is_public = false; grant select (id) on public.${table} to anon`)
  })
  authorizer.watchSafety?.((reasons) => { ended.push(reasons) })
  return {
    authorizer,
    told,
    ended,
    async seen (user, asked = 'named') {
      const identity = identityOf(user, { role: 'authenticated' })
      const { agents, tasks } = await authorizer.visible(identity, sign(identity.claims), ASKED[asked], { fresh: true })
      return [...agents, ...tasks].map(id => `${id.slice(0, 1)}:${id.slice(-2)}`).toSorted().join(' ')
    }
  }
}

const ALICE = 'a:a1 a:a2 a:f1 a:f2'
const BOB = 'b:a1 b:f1'

for (const table of ['agents', 'tasks'] as const) {
  t.test(`row security of ${table} that is switched off is seen with the next answer: none of its rows is given, and all others are`, async (t) => {
    const { authorizer, told, ended, seen } = watch(t)
    t.same(await authorizer.start(), [])
    t.same([await seen('alice'), await seen('bob', 'listed'), told], [ALICE, BOB, []])
    await owner.unsafe(`alter table public.${table} disable row level security`)
    const others = table === 'agents' ? { alice: 'a:f1 a:f2', bob: 'b:f1' } : { alice: 'a:a1 a:a2', bob: 'b:a1' }
    for (const asked of ['named', 'listed'] as const) {
      t.same({ alice: await seen('alice', asked), bob: await seen('bob', asked) }, others, asked)
    }
    t.match(told, Array.from({ length: 4 }, () => new RegExp(`^the anon key alone sees rows of public\\.${table}: row level security is off there`)))
    await owner.unsafe(`alter table public.${table} enable row level security`)
    t.same([await seen('alice'), await seen('bob')], [ALICE, BOB])
    t.equal(told.length, 4)
    t.same(ended, [])
  })
}

t.test('a row that becomes public ends nothing but itself: nobody else pays for it, and it comes back by itself', async (t) => {
  const { authorizer, told, ended, seen } = watch(t)
  t.same(await authorizer.start(), [])
  for (let round = 0; round < 2; round++) {
    await owner.unsafe(`update public.agents set is_public = true where id = '${ROWS.agents[0]}'`)
    t.same([await seen('alice'), await seen('bob'), await seen('alice', 'listed')], ['a:a2 a:f1 a:f2', BOB, 'a:a2 a:f1 a:f2'])
    t.equal(told.length, 3 * (round + 1))
    await owner.unsafe('update public.agents set is_public = false')
    t.same([await seen('alice'), await seen('bob')], [ALICE, BOB])
  }
  t.same(ended, [])
})

t.test('rows that are public on purpose are given where that is declared, and in that table only', async (t) => {
  const { authorizer, told, seen } = watch(t, { publicTables: ['public.agents'] })
  await owner.unsafe(`update public.agents set is_public = true where id = '${ROWS.agents[0]}'; update public.tasks set is_public = true where id = '${ROWS.tasks[0]}'`)
  t.match(await authorizer.start(), [/^SUPABASE_PUBLIC_TABLES names public\.agents: row level security that is switched off there stays unseen/, /rows of public\.tasks: /])
  t.same([await seen('alice'), await seen('bob')], ['a:a1 a:a2 a:f2', `a:a1 ${BOB}`])
  t.match(told, [/rows of public\.tasks: /, /rows of public\.tasks: /])
})

/** What something in the place of PostgREST, or a PostgREST in trouble, answers: none of it says what the rows are. */
const NO_ANSWERS = [
  [403, '<html>challenge</html>'], [403, '{}'], [400, '{}'], [418, '{}'], [401, '{}'], [401, '<html>log in</html>'], [401, '{"message":"Invalid API key"}'],
  [404, '{}'], [406, '{}'], [429, '{}'], [500, '{"code":"57014"}'], [500, '{"code":"42501"}'], [503, '{}'], [502, 'bad gateway'], [200, '<html>hello</html>'],
  [200, '{}'], [204, ''], [400, '{"code":"P0001"}'], [400, '{"code":"40P01"}'], [403, '{"code":"PT403"}'], [403, '{"code":"0P000"}'], [400, '{"code":"22P02"}'],
  [403, '{"code":"PGRST301"}'], [401, '{"code":"28000"}'], [400, '{"code":"42501"}']
] as const

t.test('what is no clear answer to the anon key gives nobody a row, whatever was seen before, and nothing once it is off', async (t) => {
  const { authorizer, seen } = watch(t)
  await authorizer.start()
  const wrong: unknown[] = []
  for (const state of ['enable', 'disable']) {
    await owner.unsafe(`alter table public.agents ${state} row level security; alter table public.tasks ${state} row level security`)
    for (const [status, body] of NO_ANSWERS) {
      api.answerAnonWith(null)
      const before = await seen('bob')
      api.answerAnonWith({ status, body })
      const during = await seen('bob').then(rows => `gave ${rows}`, (error: unknown) => String(error))
      if (before !== (state === 'enable' ? BOB : '') || !during.startsWith('AccessError: PostgREST')) wrong.push([state, status, body, before, during])
    }
  }
  t.same(wrong, [])
})

t.test('nor is such an answer to a user\'s own question an empty one', async (t) => {
  const { seen } = watch(t)
  const wrong: unknown[] = []
  for (const [status, body] of NO_ANSWERS) {
    // An id that does not fit the column is for whoever asks for it.
    if (body === '{"code":"22P02"}') continue
    api.answerWith({ status, body })
    const answer = await seen('bob').then(rows => `gave ${rows}`, (error: unknown) => String(error))
    if (!answer.startsWith('AccessError: PostgREST')) wrong.push([status, body, answer])
  }
  t.same(wrong, [])
})

t.test('a key that PostgREST or the database itself refuses sees nothing, and that is told at the start', async (t) => {
  const { authorizer, seen, told } = watch(t)
  const wrong: unknown[] = []
  for (const [status, code] of [[401, '42501'], [403, '42501'], [401, 'PGRST301'], [401, 'PGRST302'], [401, 'PGRST303'], [401, '22023']] as const) {
    api.answerAnonWith({ status, body: JSON.stringify({ code, message: 'words', details: null, hint: null }) })
    const found = [(await authorizer.start()).map(sentence => sentence.slice(0, 42)), await seen('alice'), await seen('bob', 'listed')]
    const expected = [['the anon key may not read public.agents: r', 'the anon key may not read public.tasks: ro'], ALICE, BOB]
    if (JSON.stringify(found) !== JSON.stringify(expected)) wrong.push([status, code, ...found])
  }
  t.same(wrong, [])
  api.answerAnonWith(null)
  await owner.unsafe('revoke select (id) on public.agents from anon')
  t.match(await authorizer.start(), [/^the anon key may not read public\.agents: .* grant select \(id\) on public\.agents to anon/])
  t.same(told, [])
})

t.test('a key that loses its rights under a running gateway is told, and again when it loses them anew: the rows are not judged meanwhile', async (t) => {
  const refusal = { status: 401, body: '{"code":"PGRST303"}' }
  const WAYS: ReadonlyArray<readonly [() => unknown, () => unknown, readonly RegExp[]]> = [
    [async () => await owner.unsafe('revoke select (id) on public.agents from anon'), async () => await owner.unsafe('grant select (id) on public.agents to anon'),
      [/^the anon key may not read public\.agents: .* stays unseen \(PostgREST answered 42501\); grant select \(id\) on public\.agents to anon/]],
    [() => { api.answerAnonWith(refusal) }, () => { api.answerAnonWith(null) },
      [/^the anon key may not read public\.agents: .* \(PostgREST answered 401 PGRST303\); give SUPABASE_ANON_KEY a key/, /^the anon key may not read public\.tasks: /]]
  ]
  for (const [lose, regain, sentences] of WAYS) {
    const { authorizer, told, ended, seen } = watch(t)
    t.same(await authorizer.start(), [])
    for (let round = 1; round <= 2; round++) {
      await lose()
      t.same([await seen('alice'), await seen('bob', 'listed'), await seen('alice')], [ALICE, BOB, ALICE])
      t.match(told.toSorted(), Array.from({ length: round }, () => sentences).flat().toSorted((a, b) => a.source.localeCompare(b.source)))
      t.equal(told.length, round * sentences.length)
      await regain()
      t.equal(await seen('alice'), ALICE)
    }
    await owner.unsafe('alter table public.agents disable row level security')
    t.equal(await seen('alice'), 'a:f1 a:f2', 'who may ask again judges again')
    await owner.unsafe('alter table public.agents enable row level security')
    t.same(ended, [])
  }
})

/** Makes a policy fail for whoever is no user, with this SQLSTATE. */
async function raiseForAnon (t: Test, sqlstate: string): Promise<void> {
  await owner.unsafe(`create function public.demand_user () returns boolean language plpgsql as $$ begin
      if coalesce(current_setting('request.jwt.claims', true)::json ->> 'sub', '') = '' then raise exception 'no user' using errcode = '${sqlstate}'; end if;
      return true; end $$;
    create policy demands on public.agents as restrictive for select using (public.demand_user()); create policy everybody on public.agents for select to anon using (true)`)
  t.teardown(() => owner.unsafe('drop policy demands on public.agents; drop policy everybody on public.agents; drop function public.demand_user').then(() => {}))
}

t.test('a first look that fails is told, and makes nothing public: what the key sees later is given to nobody', async (t) => {
  const [started, later] = [watch(t), watch(t)]
  await raiseForAnon(t, 'P0001')
  const unclear = /^PostgREST answered 400 P0001 to the anon key about public\.agents, .* stays unseen; rows are given all the same until/
  t.match(await started.authorizer.start(), [unclear])
  for (let check = 0; check < 2; check++) {
    for (const { seen } of [started, later]) t.same([await seen('alice'), await seen('bob', 'listed')], [ALICE, BOB])
  }
  t.match([started.told, later.told], [[], [unclear]])
  t.equal(later.told.length, 1)
  await owner.unsafe('alter table public.agents disable row level security')
  for (const { seen, told, authorizer } of [started, later]) {
    t.same([await seen('alice'), await seen('bob')], ['a:f1 a:f2', 'b:f1'])
    t.match(told.at(-1), /^the anon key alone sees rows of public\.agents: .* given to nobody/)
    t.match(await authorizer.start(), [/given to nobody/])
  }
})

t.test('what one table shows at the start is told also where there is no answer about another', async (t) => {
  const { authorizer, told } = watch(t)
  await raiseForAnon(t, 'XX000')
  await owner.unsafe('alter table public.tasks disable row level security')
  await t.rejects(authorizer.start(), { code: '500 XX000', answered: false })
  t.match(told, [/^the anon key alone sees rows of public\.tasks: .* they are given all the same/])
  t.equal(told.length, 1)
})

t.test('a table that was public at the first look is private once a look has shown no row; with `none` it is so from the start', async (t) => {
  const [first, strict] = [watch(t), watch(t, { publicTables: ['none'] })]
  await owner.unsafe('alter table public.agents disable row level security')
  t.match(await first.authorizer.start(), [/^the anon key alone sees rows of public\.agents: .* given all the same.*SUPABASE_PUBLIC_TABLES \(`none`: none is\)/])
  t.match(await strict.authorizer.start(), [/^the anon key alone sees rows of public\.agents: .* given to nobody/])
  t.same([await first.seen('alice'), await strict.seen('alice')], [`${ALICE} b:a1`, 'a:f1 a:f2'])
  // The key itself is refused for a while: that says nothing of the table.
  api.answerAnonWith({ status: 401, body: '{"code":"PGRST303"}' })
  t.equal(await first.seen('alice'), `${ALICE} b:a1`)
  api.answerAnonWith(null)
  t.equal(await first.seen('alice'), `${ALICE} b:a1`)
  // Both tables are asked about at once.
  t.match(first.told.toSorted(), [/given all the same/, /may not read public\.agents/, /may not read public\.tasks/])
  for (let round = 0; round < 2; round++) {
    await owner.unsafe('alter table public.agents enable row level security')
    t.same([await first.seen('alice'), await strict.seen('alice')], [ALICE, ALICE])
    await owner.unsafe('alter table public.agents disable row level security')
    first.told.length = 0
    t.same([await first.seen('alice'), await strict.seen('alice')], ['a:f1 a:f2', 'a:f1 a:f2'])
    t.match(first.told, [/given to nobody/])
  }
})

t.test('an answer that is not clear any more is told once, beside the refusals', async (t) => {
  const { authorizer, told, seen } = watch(t)
  await authorizer.start()
  for (let round = 1; round <= 2; round++) {
    api.answerAnonWith({ status: 403, body: '<html>challenge</html>' })
    for (let check = 0; check < 2; check++) await t.rejects(seen('bob'), { message: 'PostgREST answered 403' })
    api.answerAnonWith(null)
    t.equal(await seen('bob'), BOB)
    t.match(told, Array.from({ length: round }, () => /^PostgREST answered 403 to the anon key about public\.(?:agents|tasks), .*given to nobody until/))
  }
})

t.test('no row slips through where a project returns fewer rows than match', async (t) => {
  const narrow = await startPostgrest(t, { databaseUrl: server.url('portcullis_login', sample), key: KEY, maxRows: 1 })
  const { seen } = watch(t, { url: narrow.url })
  t.equal(await seen('alice', 'listed'), ALICE)
  await owner.unsafe('alter table public.agents disable row level security')
  t.equal(await seen('alice', 'listed'), 'a:f1 a:f2')
})

t.test('what the anon key sees at the first look is told and given, also where the project is away at the start; who names tables has said of all', async (t) => {
  const [first, later, strict] = [watch(t), watch(t), watch(t, { publicTables: ['public.tasks'] })]
  await owner.unsafe(`update public.agents set is_public = true where id = '${ROWS.agents[0]}'`)
  t.match(await first.authorizer.start(), [/^the anon key alone sees rows of public\.agents: .* they are given all the same/])
  t.match(await strict.authorizer.start(), [/rows of public\.agents: .* unless SUPABASE_PUBLIC_TABLES says/, /^SUPABASE_PUBLIC_TABLES names public\.tasks/])
  api.answerWith({ status: 503, body: '{}' })
  await t.rejects(later.authorizer.start(), { reason: 'http_status', code: '503' })
  api.answerWith(null)
  for (const { seen } of [first, later]) t.same([await seen('alice'), await seen('bob')], [ALICE, `a:a1 ${BOB}`])
  t.same([await strict.seen('alice'), await strict.seen('bob')], ['a:a2 a:f1 a:f2', BOB])
  t.same([first.told.length, later.told.length, strict.told.length, first.ended, later.ended], [0, 1, 2, [], []])
  await owner.unsafe('alter table public.tasks disable row level security')
  t.equal(await first.seen('bob'), 'a:a1 b:a1', 'the other table is private, and its rows go with its row security')
})

t.test('until the first look has a clear answer it costs nobody anything; from then on it counts', async (t) => {
  const { seen } = watch(t)
  api.answerAnonWith({ status: 401, body: '{}' })
  t.same([await seen('alice'), await seen('bob')], [ALICE, BOB])
  api.answerAnonWith(null)
  t.equal(await seen('alice'), ALICE)
  await owner.unsafe('alter table public.agents disable row level security')
  t.equal(await seen('alice'), 'a:f1 a:f2')
})

t.test('a close ends the look of a start', async (t) => {
  api.answerAnonWith('hang')
  const { authorizer } = watch(t)
  const before = api.requests.length
  const starting = authorizer.start()
  await until('both tables are asked for', () => api.requests.length === before + 2)
  await authorizer.close()
  await t.rejects(starting, { name: 'AccessError' })
})
