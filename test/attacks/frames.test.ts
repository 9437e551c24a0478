import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'

const MIB = 1_048_576
const SENDER = { agents: ['a1'], scope: 'ws:send' }

async function open (t: Test, gateway: TestGateway, issuer: TestIssuer, sub: string): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub, ...SENDER })}`, { from: freshAddress() })
  await client.nextOf('welcome')
  return client
}

async function expectAlive (t: Test, client: TestClient): Promise<void> {
  client.send({ type: 'ping', id: 'alive' })
  t.same(await client.next(), { type: 'pong', id: 'alive' })
}

t.test('compressed messages', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_COMPRESSION: 'shared' })
  const witness = await open(t, gateway, issuer, 'witness')

  await t.test('a bomb that inflates to 20 MiB ends its own socket, and nobody else notices', async (t) => {
    const client = await open(t, gateway, issuer, 'bomber')
    t.match(client.socket.extensions, /permessage-deflate/)
    client.send(`{"type":"ping","id":"${'x'.repeat(20 * MIB)}"}`)
    t.equal((await client.closed).code, 1006)
    await expectAlive(t, witness)
  })

  await t.test('the limit is that of the inflated message', async (t) => {
    const client = await open(t, gateway, issuer, 'inflater')
    const send = '{"type":"send","to":"agent:a1","data":1}'
    client.send(send.padEnd(MIB))
    t.same(await client.next(), { type: 'sent' })
    client.send(send.padEnd(MIB + 1))
    t.equal((await client.closed).code, 1009)
    await expectAlive(t, witness)
  })
})

t.test('what a client sends on', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const nested = (depth: number): string => `{"type":"send","to":"agent:a1","data":${'['.repeat(depth)}${']'.repeat(depth)}}`

  await t.test('passes 128 deep, and not deeper', async (t) => {
    const client = await open(t, gateway, issuer, 'diver')
    client.send(nested(128))
    t.equal((await client.next()).type, 'sent')
    for (const depth of [129, 100_000]) {
      client.send(nested(depth))
      t.equal((await client.next())['error'], 'bad_message', String(depth))
    }
    await expectAlive(t, client)
  })

  await t.test('holds names of the prototype as data, and changes no object', async (t) => {
    const client = await open(t, gateway, issuer, 'polluter')
    const data = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}}}'
    client.send(`{"type":"send","to":"agent:a1","data":${data}}`)
    t.equal((await client.next()).type, 'sent')
    const [, fields] = (await redis.client.xrevrange('ws:inbound', '+', '-', 'COUNT', 1))[0] ?? []
    t.equal(fields?.[fields.indexOf('data') + 1], data)
    client.send({ type: 'ping' })
    t.same(await client.next(), { type: 'pong' }, 'no further field')
  })

  await t.test('names no other target than one that may be read, whatever the spelling', async (t) => {
    const client = await open(t, gateway, issuer, 'pusher')
    for (const to of ['agent:a2', 'task:a1', 'agent:A1', 'agent:a1:x']) {
      client.send({ type: 'send', id: to, to, data: 1 })
      t.match(await client.next(), { type: 'error', id: to, error: 'forbidden' })
    }
    t.equal(await redis.client.xlen('ws:inbound'), 2)
  })
})
