import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { createPostgresAuthorizer, type PostgresAccessSettings, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { startPostgres } from '../../support/postgres.js'
import { until } from '../../support/until.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')

const ASKED = { agents: ['a0000000-0000-4000-8000-0000000000a1'], tasks: [] }
const FRESH = { fresh: true }

let nowMs = 1_000_000
function createAuthorizer (t: Test, more: Partial<PostgresAccessSettings> = {}): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url: server.url('portcullis_login', sample),
    role: 'authenticated',
    relations: { agents: 'public.agents', tasks: 'public.tasks' },
    poolSize: 2,
    checkTimeoutMs: 60_000,
    cacheMs: 0,
    ...more
  }, { now: () => nowMs })
  t.teardown(() => authorizer.close())
  return authorizer
}

/** Why a check is not answered. */
async function messageOf (authorizer: PostgresAuthorizer): Promise<string> {
  return await Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)).then(() => '', (error: unknown) => error instanceof Error ? error.message : '')
}

/** A server that is no database, and counts who comes. */
async function listen (t: Test, answer: (socket: Socket) => void): Promise<{ url: string, accepted: () => number }> {
  const sockets = new Set<Socket>()
  let accepted = 0
  const listener = createServer((socket) => {
    accepted += 1
    sockets.add(socket.on('error', () => {}))
    answer(socket)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    listener.close()
  })
  const { port } = listener.address() as AddressInfo
  return { url: `postgres://portcullis_login@127.0.0.1:${port}/sample`, accepted: () => accepted }
}

t.test('an address that cannot be read is refused without being repeated', async (t) => {
  for (const url of ['postgres://login:secret@a:1,b:2/x', 'secret', 'postgres://login:secret@:x']) {
    t.throws(() => createAuthorizer(t, { url }), { message: 'the address of the database is no URL of one host' })
  }
})

t.test('a database that accepts and never answers costs the deadline, and the breaker keeps the rest away', async (t) => {
  const hanging = await listen(t, (socket) => { socket.resume() })
  const authorizer = createAuthorizer(t, { url: hanging.url, checkTimeoutMs: 100, poolSize: 1 })
  await t.rejects(authorizer.start(), { name: 'AccessError', message: 'the database did not answer in time' })
  for (let attempt = 0; attempt < 5; attempt++) {
    await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { message: 'the database did not answer in time' })
  }
  await until('the probe went without an answer, too', async () => /not asked again yet/.test(await messageOf(authorizer)))
  const before = hanging.accepted()
  for (let attempt = 0; attempt < 50; attempt++) {
    await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { message: /not asked again yet/ })
  }
  t.equal(hanging.accepted(), before)
})

t.test('a database that hangs up at once is asked once for each check', async (t) => {
  const rude = await listen(t, (socket) => { socket.end() })
  const authorizer = createAuthorizer(t, { url: rude.url, poolSize: 1 })
  for (let attempt = 1; attempt <= 3; attempt++) {
    await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { name: 'AccessError' })
    t.equal(rude.accepted(), attempt)
  }
})

t.test('a database that answers nonsense is a failure like any other', async (t) => {
  const nonsense = await listen(t, (socket) => { socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'.repeat(10)) })
  const authorizer = createAuthorizer(t, { url: nonsense.url, checkTimeoutMs: 500, poolSize: 1 })
  await t.rejects(authorizer.start(), { name: 'AccessError' })
})

t.test('with Postgres away nobody sees anything; once it is back everybody does', async (t) => {
  const authorizer = createAuthorizer(t)
  await authorizer.start()
  await server.stop()
  for (let attempt = 0; attempt < 6; attempt++) {
    await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { name: 'AccessError' })
  }
  const late = createAuthorizer(t)
  await t.rejects(late.start(), { name: 'AccessError', message: 'the database cannot be reached (ECONNREFUSED)' })
  await until('the probe found nobody, too', async () => /not asked again yet/.test(await messageOf(authorizer)))
  await server.restart()
  await t.rejects(Promise.resolve(authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH)), { message: /not asked again yet/ })
  nowMs += 2000
  t.same(await authorizer.visible(identityOf('alice'), 'unused', ASKED, FRESH), ASKED)
  await late.start()
})
