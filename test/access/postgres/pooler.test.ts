import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createPostgresAuthorizer, type PostgresAuthorizer } from '../../../src/access/postgres/authorizer.js'
import { begin } from '../../../src/access/postgres/begin.js'
import { createPgConnection } from '../../../src/access/postgres/connection.js'
import { readDatabaseUrl } from '../../../src/access/postgres/read-url.js'
import { startPgbouncer } from '../../support/pgbouncer.js'
import { startPostgres } from '../../support/postgres.js'
import { identityOf } from '../identity-of.js'

const server = await startPostgres(t)
const sample = await server.createSample('sample')
const ALICES = ['a0000000-0000-4000-8000-0000000000a1', 'a0000000-0000-4000-8000-0000000000a2']
const BOBS = ['b0000000-0000-4000-8000-0000000000a1']

function createAuthorizer (t: Test, url: string): PostgresAuthorizer {
  const authorizer = createPostgresAuthorizer({
    url, role: 'authenticated', relations: { agents: 'public.agents', tasks: 'public.tasks' }, poolSize: 4, checkTimeoutMs: 120_000, cacheMs: 0
  }, { now: Date.now })
  t.teardown(() => authorizer.close())
  return authorizer
}

/** Asks for both tenants' agents as both users, many at once, and returns the answers that were wrong. */
async function findCrossings (authorizer: PostgresAuthorizer, checks: number): Promise<unknown[]> {
  const answers = await Promise.all(Array.from({ length: checks }, async (_, index) => {
    const user = index % 2 === 0 ? 'alice' : 'bob'
    const { agents } = await authorizer.visible(identityOf(user), 'unused', { agents: [...ALICES, ...BOBS], tasks: [] }, { fresh: true })
    return { user, agents }
  }))
  return answers.filter(({ user, agents }) => JSON.stringify(agents) !== JSON.stringify(user === 'alice' ? ALICES : BOBS))
}

t.test('many connections that share one server connection in a transaction pooler never cross', async (t) => {
  const pooler = await startPgbouncer(t, server)
  const authorizer = createAuthorizer(t, pooler.url('portcullis_login', sample))
  await authorizer.start()
  t.same(await findCrossings(authorizer, 200), [])
  const [{ count } = {}] = await server.admin`select count(*)::int from pg_stat_activity where usename = 'portcullis_login'`
  t.equal(count, 1)

  const session = createPgConnection(readDatabaseUrl(pooler.url('portcullis_login', sample)))
  t.teardown(() => session.end())
  const [left] = await session.run(`select current_user::text as user, current_setting('role') as role,
    coalesce(current_setting('request.jwt.claims', true), '') as claims, (select count(*)::int from pg_prepared_statements) as prepared`)
  t.same({ ...left }, { user: 'portcullis_login', role: 'none', claims: '', prepared: 0 })
})

/** The messages of one client connection after its start-up, as type and content. */
function readMessages (bytes: Buffer): { type: string, content: Buffer }[] {
  const messages = []
  for (let offset = bytes.readUInt32BE(0); offset < bytes.length;) {
    const length = bytes.readUInt32BE(offset + 1)
    messages.push({ type: String.fromCharCode(bytes.readUInt8(offset)), content: bytes.subarray(offset + 5, offset + 1 + length) })
    offset += 1 + length
  }
  return messages
}

/** Stands between gateway and database and keeps what the gateway sends. */
async function startTap (t: Test): Promise<{ url: string, sent: () => { type: string, content: Buffer }[] }> {
  const connections: Buffer[][] = []
  const listener = createServer((client) => {
    const chunks: Buffer[] = []
    connections.push(chunks)
    const upstream = connect(server.port, '127.0.0.1')
    client.on('data', (chunk) => chunks.push(chunk)).on('error', () => {}).pipe(upstream)
    upstream.on('error', () => {}).pipe(client)
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  t.teardown(() => { listener.close() })
  const { port } = listener.address() as AddressInfo
  return {
    url: `postgres://portcullis_login@127.0.0.1:${port}/${sample}`,
    sent: () => connections.flatMap((chunks) => readMessages(Buffer.concat(chunks)))
  }
}

/** The bounds that a transaction has from its first moment. */
const BOUNDED = /; set local idle_in_transaction_session_timeout = [1-9]\d*; set local statement_timeout = [1-9]\d*; /

t.test('whatever transaction stands still gives the pooler its server connection back, also before it has begun to ask', async (t) => {
  const pooler = await startPgbouncer(t, server)
  const connectTo = (): ReturnType<typeof createPgConnection> => {
    const connection = createPgConnection(readDatabaseUrl(pooler.url('portcullis_login', sample)))
    t.teardown(() => { connection.destroy() })
    return connection
  }
  const [still, other] = [connectTo(), connectTo()]
  await still.run(begin('repeatable read'))
  const [answered] = await other.run('select 1 as answer')
  t.equal(answered?.['answer'], 1)
  await t.rejects(still.run('select 1'), { name: 'AccessError' })
})

t.test('nothing that a transaction pooler cannot carry is sent: no named statement, no setting of the session, no id in a text', async (t) => {
  const tap = await startTap(t)
  const authorizer = createAuthorizer(t, tap.url)
  t.same(await findCrossings(authorizer, 20), [])
  const texts = tap.sent().flatMap(({ type, content }) => {
    if (type === 'P') {
      t.equal(content[0], 0, 'a statement has no name')
      return [content.subarray(1).toString()]
    }
    return type === 'Q' ? [content.toString()] : []
  })
  t.ok(texts.length >= 60)
  t.same(texts.filter(text => /^\s*begin\b/.test(text) && !BOUNDED.test(text)), [], 'each transaction is bounded, whichever it is')
  for (const text of texts) {
    for (const statement of text.split(';')) t.match(statement, /^\s*(?:begin|reset all|set local|discard temp|select|with|\(select|rollback)\b/, 'nothing else is run')
    t.notMatch(text, /set_config\([^()]*,\s*false\s*\)/, 'a setting is local to the transaction')
    t.notMatch(text, /0000-4000-8000|alice|bob/)
  }
  t.same([...new Set(tap.sent().map(({ type }) => type))].toSorted(), ['B', 'D', 'E', 'H', 'P', 'Q', 'S'])
})
