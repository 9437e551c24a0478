import t from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { present, presentRefused } from './present.js'

t.test('one issuer that mints the subjects of another', async (t) => {
  const [redis, main, guests] = await Promise.all([startRedis(t), startIssuer(t), startIssuer(t)])
  const further = [{ name: 'guests', issuer: guests.issuer, audience: guests.audience, jwks_uri: guests.jwksUri }]
  const gateway = await startGateway(t, { ...trust(main), ISSUERS: JSON.stringify(further), WS_ACCESS_ISSUER: 'oidc', REDIS_URL: redis.url, WS_PLAIN_USER_PUBLISH: 'true' })
  await gateway.waitForLog('jwks.refreshed', line => line['issuer'] === 'guests')
  const open = async (issuer: TestIssuer, sub: string): Promise<{ client: TestClient, userId: unknown }> => {
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub })}`, { from: freshAddress() })
    return { client, userId: (await client.nextOf('welcome'))['user_id'] }
  }

  await t.test('makes another user of each, also with the name of an issuer in the subject', async (t) => {
    t.equal((await open(main, 'alice')).userId, 'oidc:alice')
    t.equal((await open(guests, 'alice')).userId, 'guests:alice')
    t.equal((await open(guests, 'oidc:alice')).userId, 'guests:oidc:alice')
  })

  await t.test('takes none of the other\'s slots', async (t) => {
    for (let slot = 0; slot < 5; slot++) await open(guests, 'victim')
    t.equal((await present(t, gateway, guests.sign({ sub: 'victim' }))).status, 429)
    for (let slot = 0; slot < 5; slot++) await open(main, 'victim')
    t.same((await redis.client.keys('ws:ratelimit:user:*victim')).toSorted(), ['ws:ratelimit:user:guests%3Avictim', 'ws:ratelimit:user:oidc%3Avictim'])
  })

  await t.test('hears none of the other\'s events', async (t) => {
    const [theirs, own] = [(await open(main, 'reader')).client, (await open(guests, 'reader')).client]
    const spelled = (await open(guests, 'oidc:reader')).client
    // `welcome` does not wait for Redis to confirm the own topic.
    const publish = async (topic: string): Promise<void> => {
      await until(`${topic} is heard`, async () => await redis.client.publish(`ws:topic:${topic}`, JSON.stringify({ event: 'told', data: topic })) > 0)
    }
    await publish('user:oidc%3Areader')
    await publish('user:guests%3Areader')
    await publish('user:guests%3Aoidc%3Areader')
    t.equal((await theirs.nextOf('event'))['data'], 'user:oidc%3Areader')
    t.equal((await own.nextOf('event'))['data'], 'user:guests%3Areader')
    t.equal((await spelled.nextOf('event'))['data'], 'user:guests%3Aoidc%3Areader')
    for (const client of [theirs, own, spelled]) {
      client.send({ type: 'ping' })
      t.equal((await client.next()).type, 'pong', 'and nothing else came')
    }
  })

  await t.test('opens none of the other\'s agents, whatever its claims and scopes say', async (t) => {
    const rights = { agents: '*', tasks: ['t1'], scope: 'ws:send' }
    t.equal((await present(t, gateway, main.sign(rights), { query: 'agent_ids=a1' })).status, 101)
    const theirs = guests.sign({ sub: 'greedy', ...rights })
    for (const query of ['agent_ids=a1', 'task_ids=t1', 'agent_ids=a1&task_ids=t1']) t.same(await present(t, gateway, theirs, { query }), { status: 403, error: 'forbidden' }, query)
    const client = await connect(t, gateway, `/ws?token=${theirs}&agent_ids=*&task_ids=*`, { from: freshAddress() })
    t.match(await client.nextOf('subscribed'), { agent_ids: [], task_ids: [] }, 'it connects, and there is nothing for it')
    client.send({ type: 'subscribe', id: 's', agent_ids: ['a1'] })
    t.match(await client.nextOf('error'), { id: 's', error: 'forbidden' })
    client.send({ type: 'send', id: 'm', to: 'agent:a1', data: 1 })
    t.match(await client.nextOf('error'), { id: 'm', error: 'forbidden' }, 'sending needs the right to read')
  })

  await t.test('cannot take over a socket of the other by a refresh', async (t) => {
    const { client } = await open(main, 'owner')
    client.send({ type: 'refresh', token: guests.sign({ sub: 'owner' }) })
    t.equal((await client.closed).code, 4401)
  })

  await t.test('cannot speak for it with keys of its own', async (t) => {
    t.equal(await presentRefused(t, gateway, guests.sign({ iss: main.issuer, aud: main.audience }, { header: { kid: main.newestKey().kid } })), '401 invalid_token signature')
  })
})
