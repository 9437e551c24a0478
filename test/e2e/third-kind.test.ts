import postgres from 'postgres'
import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { runGateway, startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startPostgres } from '../support/postgres.js'
import { PROJECT } from '../support/root.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
/** The gateway as it would be with one more row in `src/kinds.ts`, and nothing else changed. */
const WITH_ROOMS = { NODE_OPTIONS: `--import=${new URL('test/support/third-kind.js', PROJECT).href}` }
const from = (): { from: string } => ({ from: freshAddress() })

t.test('a row of the table is a kind: path, filters, claim, frames and topics', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...WITH_ROOMS, PUBLISH_KEY })
  const path = (base: string, query: string): string =>
    `${base}?token=${issuer.sign({ sub: 'alice', agents: ['a1'], rooms: ['r1', 'r2'], scope: 'ws:send' })}&${query}`

  const client = await connect(t, gateway, path('/ws/rooms', 'room_ids=r1'), from())
  t.match(await client.nextOf('subscribed'), { agent_ids: [], task_ids: [], room_ids: ['r1'] })
  client.send({ type: 'subscribe', id: '1', room_ids: '*' })
  t.match(await client.nextOf('subscribed'), { id: '1', room_ids: ['r1', 'r2'] })
  client.send({ type: 'subscribe', id: '2', agent_ids: ['a1'] })
  t.match(await client.nextOf('error'), { id: '2', message: '/ws/rooms takes no agent_ids' })
  client.send({ type: 'send', id: '3', to: 'room:r2', data: 1 })
  t.match(await client.nextOf('sent'), { id: '3' })
  client.send({ type: 'send', id: '4', to: 'room:r3', data: 1 })
  t.match(await client.nextOf('error'), { id: '4', error: 'forbidden' })

  const published = await fetch(gateway.url('/v1/publish').replace(/^ws/, 'http'), {
    method: 'POST', headers: { 'x-publish-key': PUBLISH_KEY }, body: JSON.stringify({ topic: 'room:r1', event: 'e', data: 1 })
  })
  t.equal(published.status, 202)
  t.match(await client.nextOf('event'), { topic: 'room:r1', event: 'e', data: 1 })
  client.send({ type: 'unsubscribe', id: '5', room_ids: '*' })
  t.match(await client.nextOf('unsubscribed'), { id: '5', agent_ids: [], task_ids: [], room_ids: ['r1', 'r2'] })

  const all = await connect(t, gateway, path('/ws', 'agent_ids=a1&room_ids=r2'), from())
  t.match(await all.nextOf('subscribed'), { agent_ids: ['a1'], room_ids: ['r2'] })
  t.equal((await connectRefused(t, gateway, path('/ws', 'room_ids=r3'), from())).status, 403)
  t.match((await connectRefused(t, gateway, path('/ws/agents', 'room_ids=r1'), from())).body, { message: '/ws/agents takes no room_ids' })
})

t.test('and its relation in the database, which is inspected and asked as the others are', async (t) => {
  const issuer = await startIssuer(t)
  const server = await startPostgres(t)
  const sample = await server.createSample('rooms')
  const owner = postgres(server.url('postgres', sample), { max: 1, onnotice: () => {} })
  t.teardown(() => owner.end({ timeout: 1 }))
  await owner.unsafe('create table public.rooms (id bigint primary key, owner text); grant select on public.rooms to authenticated')
  const settings = {
    ...trust(issuer), ...WITH_ROOMS, WS_AUTHORIZER: 'postgres', DATABASE_URL: server.url('portcullis_login', sample)
  }
  t.match((await runGateway(settings)).stderr, /row level security is off on public\.rooms/)
  t.match((await runGateway({ ...settings, WS_PG_ROOMS: 'no name' })).stderr, /WS_PG_ROOMS/)

  await owner.unsafe('alter table public.rooms enable row level security; ' +
    'create policy own on public.rooms for select using (owner = app.user_id()); ' +
    'insert into public.rooms values (1, \'alice\'), (2, \'bob\'), (3, \'alice\')')
  const gateway = await startGateway(t, settings)
  const path = (query: string): string => `/ws?token=${issuer.sign({ sub: 'alice' })}&${query}`
  const client = await connect(t, gateway, path('room_ids=1'), from())
  t.match(await client.nextOf('subscribed'), { agent_ids: [], room_ids: ['1'] })
  client.send({ type: 'subscribe', id: '1', room_ids: '*' })
  const listed = await client.nextOf('subscribed') as { readonly room_ids?: readonly string[] }
  t.same(listed.room_ids?.toSorted(), ['1', '3'])
  t.equal((await connectRefused(t, gateway, path('room_ids=1,2'), from())).status, 403)
})
