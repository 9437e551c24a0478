import postgres from 'postgres'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { until } from '../support/until.js'

const AGENT = 'a0000000-0000-4000-8000-0000000000a1'

const [database, issuer] = await Promise.all([startPostgres(t), startIssuer(t)])
const name = await database.createSample('unsafe')
const sql = postgres(database.url('postgres', name), { max: 1, onnotice: () => {} })
t.teardown(async () => { await sql.end({ timeout: 1 }) })

t.test('row level security switched off under a running gateway ends what was given, gives nothing more, and is told; it comes back by itself', async (t) => {
  const gateway = await startGateway(t, {
    ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name), WS_UPGRADE_DEADLINE_MS: '60000', WS_ACCESS_RECHECK_S: '1'
  })
  const path = (user: string, agents = `agent_ids=${AGENT}&`): string => `/ws?${agents}token=${issuer.sign({ sub: user })}`
  const [alice, carol, idle] = await Promise.all([path('alice'), path('carol'), path('dave', '')].map(async (wanted) =>
    await connect(t, gateway, wanted, { from: freshAddress() })))
  await Promise.all([alice, carol].map(async client => await client?.nextOf('subscribed')))

  await sql.unsafe('alter table public.agents disable row level security')
  for (const client of [alice, carol]) {
    t.match(await client?.closed, { code: 4503, reason: /"error":"unavailable"/ })
  }
  const line = await gateway.waitForLog('access.unsafe')
  t.match(line, { level: 'error', reason: 'row level security is off on public.agents' })
  t.match(await gateway.waitForLog('connection.closed', ({ user_id: user }) => user === 'alice'), { reason: 'unavailable' })
  for (const user of ['alice', 'mallory']) {
    const refused = await connectRefused(t, gateway, path(user), { from: freshAddress() })
    t.match(refused, { status: 503, body: { error: 'unavailable' } })
  }
  const readiness = await gateway.admin('/readyz')
  t.equal(readiness.status, 503)
  t.match(await readiness.json(), { reasons: ['access_unsafe'] })
  idle?.send({ type: 'ping', id: 'p' })
  t.match(await idle?.nextOf('pong'), { id: 'p' }, 'who was given nothing stays')

  await sql.unsafe('alter table public.agents enable row level security')
  await gateway.waitForLog('access.safe')
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const again = await connect(t, gateway, path('alice'), { from: freshAddress() })
  t.match(await again.nextOf('subscribed'), { agent_ids: [AGENT] })
  t.equal(gateway.log.filter(({ event }) => event === 'access.unsafe').length, 1, 'told once, and again after a minute')
})

t.test('a path on which every role may create is a warning at the start', async (t) => {
  await sql.unsafe('grant create on schema public to public')
  const gateway = await startGateway(t, { ...trust(issuer), WS_AUTHORIZER: 'postgres', DATABASE_URL: database.url('portcullis_login', name) })
  t.match(await gateway.waitForLog('access.warning'), { level: 'warn', reason: /^every role may create in the schema public, which is on the search path/ })
})
