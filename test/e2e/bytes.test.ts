import t, { type Test } from 'tap'
import { SPELLINGS } from '../bus/bus-conformance.js'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { findFreePort } from '../support/free-port.js'
import { startRedis } from '../support/redis.js'

const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const CLAIMS = { sub: "o'brien|7@b", agents: ['a1', 'a:2'], scope: 'ws:send' }

/** A client that listens, with the text of every frame from then on. */
async function listen (t: Test, gateway: TestGateway, issuer: TestIssuer): Promise<{ client: TestClient, texts: string[] }> {
  const client = await connect(t, gateway, `/ws?agent_ids=a1,a:2&token=${issuer.sign(CLAIMS)}`, { from: freshAddress() })
  await client.nextOf('subscribed')
  const texts: string[] = []
  client.socket.on('message', (data) => { texts.push(String(data)) })
  return { client, texts }
}

/** The data of an event frame, as it stands in the text. */
const dataIn = (text: string): string | undefined => /^\{"type":"event","topic":"agent:a1","event":"e","data":([^]*),"ts":"[^"]*"(?:,"pos":"[^"]*")?\}$/.exec(text)?.[1]

async function publish (port: number, body: string): Promise<Response> {
  return await fetch(`http://127.0.0.1:${port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body })
}

async function expectSpellings (t: Test, gateway: TestGateway, issuer: TestIssuer, ports: readonly number[]): Promise<void> {
  const { client, texts } = await listen(t, gateway, issuer)
  for (const json of SPELLINGS) {
    for (const port of ports) t.equal((await publish(port, `{"data":1, "topic":"agent:a1","event":"e","data": ${json} }`)).status, 202)
  }
  for (let n = 0; n < SPELLINGS.length * ports.length; n++) await client.nextOf('event')
  t.same(texts.map(dataIn), SPELLINGS.flatMap(json => ports.map(() => json)))
  client.socket.terminate()
}

t.test('data passes through byte for byte', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, PUBLISH_KEY, WS_IP_MESSAGES: '1000', WS_PLAIN_USER_PUBLISH: 'true' })

  await t.test('from Redis to the client', async (t) => {
    const { client, texts } = await listen(t, gateway, issuer)
    for (const json of SPELLINGS) await redis.client.publish('ws:topic:agent:a1', `{"data": ${json}\n,"event":"e"}`)
    for (let n = 0; n < SPELLINGS.length; n++) await client.nextOf('event')
    t.same(texts.map(dataIn), SPELLINGS)
  })

  await t.test('from a request to either port to the client', async (t) => {
    await expectSpellings(t, gateway, issuer, [gateway.port, gateway.adminPort])
  })

  await t.test('from the client to the stream', async (t) => {
    const { client } = await listen(t, gateway, issuer)
    for (const json of SPELLINGS) client.send(`{"id":"1","data":null,"type":"send", "data" : ${json} ,"to":"agent:a1"}`)
    for (let n = 0; n < SPELLINGS.length; n++) t.same(await client.next(), { type: 'sent', id: '1' })
    const entries = (await redis.client.xrange('ws:inbound', '-', '+')).map(([, fields]) => fields)
    t.same(entries.map(fields => fields[fields.indexOf('data') + 1]), SPELLINGS)
    t.same(entries[0]?.filter((_, at) => at % 2 === 0), ['connection_id', 'user_id', 'to', 'data', 'ts', 'id'])
  })

  await t.test('what is no JSON, or no UTF-8, reaches nobody and is logged', async (t) => {
    const { client, texts } = await listen(t, gateway, issuer)
    const wrong = ['{"event":"e","data":{"a":01}}', '{"event":"e","data":[1,]}', '{"event":"e","data":tru}', Buffer.from('{"event":"e","data":"é"}', 'latin1')]
    for (const message of wrong) await redis.client.publish('ws:topic:agent:a1', message)
    await redis.client.publish('ws:topic:agent:a1', '{"event":"e","data":"good"}')
    await client.nextOf('event')
    t.same(texts.map(dataIn), ['"good"'])
    await gateway.waitForLog('bus.invalid', line => line['reason'] === 'not_json')
    for (const json of ['01', '[1,]', '"\u0000"', '']) t.equal((await publish(gateway.port, `{"topic":"agent:a1","event":"e","data":${json}}`)).status, 400)
  })

  await t.test('an event of a user or an agent is heard in each spelling of its channel that libraries write', async (t) => {
    const { client } = await listen(t, gateway, issuer)
    const lower = (text: string): string => text.replace(/%../g, octet => octet.toLowerCase())
    const user = ['o%27brien%7C7%40b', lower('o%27brien%7C7%40b'), encodeURIComponent(CLAIMS.sub), lower(encodeURIComponent(CLAIMS.sub)), CLAIMS.sub]
    const channels = [...new Set([...user.map(id => `user:${id}`), 'agent:a%3A2', 'agent:a%3a2', 'agent:a:2'])]
    for (const [n, channel] of channels.entries()) await redis.client.publish(`ws:topic:${channel}`, JSON.stringify({ event: 'e', data: n }))
    for (const [n, channel] of channels.entries()) t.equal((await client.nextOf('event'))['data'], n, channel)
  })

  await t.test('over HTTP a topic is written as it is, and one that is percent-encoded is told its plain form', async (t) => {
    const { client } = await listen(t, gateway, issuer)
    t.equal((await publish(gateway.port, JSON.stringify({ topic: `user:${CLAIMS.sub}`, event: 'e', data: 1 }))).status, 202)
    t.equal((await client.nextOf('event'))['topic'], `user:${CLAIMS.sub}`)
    const encoded = await publish(gateway.port, '{"topic":"user:auth0%7C123","event":"e","data":1}')
    t.equal(encoded.status, 400)
    t.match(await encoded.json(), { error: 'bad_request', message: /user:auth0\|123/ })
    for (const topic of ['user:a%2fb', 'user:%ff', 'agent:a%3A2']) t.equal((await publish(gateway.port, JSON.stringify({ topic, event: 'e', data: 1 }))).status, 400, topic)
    t.equal((await publish(gateway.port, '{"topic":"user:100% sure","event":"e","data":1}')).status, 202, 'a sign alone encodes nothing')
  })
})

t.test('the same within one process without Redis', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), PUBLISH_KEY })
  await expectSpellings(t, gateway, issuer, [gateway.port, gateway.adminPort])
})

t.test('the same from the admin port of several processes', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, PUBLISH_KEY, WORKERS: '2', PORT: String(await findFreePort()) })
  await expectSpellings(t, gateway, issuer, [gateway.adminPort])
})
