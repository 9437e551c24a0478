import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { HANG_MS } from '../support/until.js'

type T = Test

const MIB = 1_048_576

/** A message of exactly so many bytes: JSON may be padded by white space. */
const padded = (bytes: number, text = '{"type":"send","to":"agent:a1","data":1}'): string => text.padEnd(bytes, ' ')

async function expectAlive (t: T, client: TestClient): Promise<void> {
  client.send({ type: 'ping', id: 'alive' })
  t.same(await client.next(), { type: 'pong', id: 'alive' })
}

async function expectBadMessage (t: T, client: TestClient, what: string): Promise<void> {
  const frame = await client.next()
  t.equal(frame.type, 'error', what)
  t.equal(frame['error'], 'bad_message', what)
}

t.test('frames', async (t) => {
  const issuer = await startIssuer(t)
  const gateway: TestGateway = await startGateway(t, { ...trust(issuer), WS_IP_MESSAGES: '1000000' })
  let users = 0
  async function open (t: T): Promise<TestClient> {
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: `user-${++users}`, agents: ['a1'], scope: 'ws:send' })}`, { from: freshAddress() })
    await client.next()
    return client
  }

  await t.test('ping is answered with its id, which is at most 64 characters', async (t) => {
    const client = await open(t)
    for (const id of ['', '1', 'x'.repeat(64), 'ä'.repeat(64)]) {
      client.send({ type: 'ping', id })
      t.same(await client.next(), { type: 'pong', id })
    }
    client.send({ type: 'ping' })
    t.same(await client.next(), { type: 'pong' })
    client.send({ type: 'ping', id: 'x'.repeat(65) })
    await expectBadMessage(t, client, '65 characters')
    client.socket.ping('anything')
    await expectAlive(t, client)
  })

  for (const bytes of [MIB - 1, MIB]) {
    await t.test(`a message of ${bytes} bytes passes`, async (t) => {
      const client = await open(t)
      client.send(padded(bytes))
      t.same(await client.next(), { type: 'sent' })
    })
  }

  await t.test('a frame but `send` may have 262,144 bytes; one byte more is a malformed frame', async (t) => {
    const client = await open(t)
    client.send(padded(262_144, '{"type":"ping"}'))
    t.same(await client.next(), { type: 'pong' })
    client.send(padded(262_145, '{"type":"ping","id":"long"}'))
    t.match(await client.next(), { type: 'error', id: 'long', error: 'bad_message' })
    client.send(padded(MIB, '{"type":"subscribe","agent_ids":["a1"]}'))
    await expectBadMessage(t, client, 'a subscribe of 1 MiB')
    await expectAlive(t, client)
    client.send(padded(262_145, '{"type":"refresh","token":"x"}'))
    t.equal((await client.closed).code, 4400, 'the third')
  })

  await t.test('one byte more is 1009 frame_too_large', async (t) => {
    const client = await open(t)
    client.send(padded(MIB + 1))
    t.same(await client.closed, { code: 1009, reason: '{"error":"frame_too_large"}' })
    await gateway.waitForLog('connection.closed', line => line['reason'] === 'frame_too_large' && line['code'] === 1009)
  })

  await t.test('the size counts in bytes, not characters', async (t) => {
    const client = await open(t)
    client.send(JSON.stringify({ type: 'ping', id: '€'.repeat(MIB / 3) }))
    t.equal((await client.closed).code, 1009)
  })

  await t.test('far above, the socket is dropped', async (t) => {
    const client = await open(t)
    client.send(padded(2 * MIB))
    t.equal((await client.closed).code, 1006)
  })

  await t.test('fragments are summed', async (t) => {
    const client = await open(t)
    const text = padded(MIB)
    client.socket.send(text.slice(0, MIB / 2), { fin: false })
    client.socket.send(text.slice(MIB / 2), { fin: true })
    t.same(await client.next(), { type: 'sent' })
    client.socket.send(text.slice(0, MIB / 2), { fin: false })
    client.socket.send(`${text.slice(MIB / 2)} `, { fin: true })
    t.equal((await client.closed).code, 1009)
  })

  await t.test('a flood of tiny fragments is one message, or the end of this socket only', async (t) => {
    const witness = await open(t)
    const client = await open(t)
    client.socket.send('{', { fin: false })
    for (let i = 0; i < 20_000; i++) client.socket.send(' ', { fin: false })
    client.socket.send('"type":"ping"}', { fin: true })
    t.same(await client.next(), { type: 'pong' })
    for (let i = 0; i < 30; i++) client.socket.send(' '.repeat(65_536), { fin: false })
    t.equal((await client.closed).code, 1006)
    await expectAlive(t, witness)
  })

  const malformed: ReadonlyArray<readonly [string, string]> = [
    ['no JSON', 'noise'],
    ['an empty message', ''],
    ['an array', '[{"type":"ping"}]'],
    ['null', 'null'],
    ['a string', '"ping"'],
    ['a number', '1e999'],
    ['true', 'true'],
    ['an empty object', '{}'],
    ['an unknown type', '{"type":"shout"}'],
    ['a type of another case', '{"type":"PING"}'],
    ['a type that is no string', '{"type":["ping"]}'],
    ['the type __proto__', '{"type":"__proto__"}'],
    ['the type constructor', '{"type":"constructor"}'],
    ['a further field', '{"type":"ping","more":1}'],
    ['a field __proto__', '{"type":"ping","__proto__":{"id":"x"}}'],
    ['a field constructor', '{"type":"ping","constructor":{"prototype":{"polluted":true}}}'],
    ['an id that is a number', '{"type":"ping","id":1}'],
    ['an id beyond all numbers', '{"type":"ping","id":1e999}'],
    ['an id that is null', '{"type":"ping","id":null}'],
    ['a duplicate key, the last of them wrong', '{"type":"ping","id":"a","id":1}'],
    ['a byte order mark', '\ufeff{"type":"ping"}'],
    ['NUL behind the object', '{"type":"ping"}\0'],
    ['two objects', '{"type":"ping"}{"type":"ping"}'],
    ['a comment', '{"type":"ping"}//'],
    ['100,000 open brackets', '['.repeat(100_000)],
    ['100,000 nested arrays', `{"type":"ping","id":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['subscribe with nothing', '{"type":"subscribe"}'],
    ['subscribe to an empty list', '{"type":"subscribe","agent_ids":[]}'],
    ['subscribe with mixed types', '{"type":"subscribe","agent_ids":["a1",2]}'],
    ['subscribe to `*` with others', '{"type":"subscribe","agent_ids":["*","a1"]}'],
    ['subscribe to an id with a separator', '{"type":"subscribe","agent_ids":["a,b"]}'],
    ['send to nobody', '{"type":"send","data":1}'],
    ['send to a user', '{"type":"send","to":"user:alice","data":1}'],
    ['send without data', '{"type":"send","to":"agent:a1"}'],
    ['refresh without a token', '{"type":"refresh"}']
  ]
  await t.test('what is malformed is answered bad_message and keeps the connection', async (t) => {
    for (const [what, text] of malformed) {
      const client = await open(t)
      client.send(text)
      await expectBadMessage(t, client, what)
      await expectAlive(t, client)
      client.socket.close()
    }
  })

  await t.test('a list of 51 ids is a bad_request by name, and no strike against the client', async (t) => {
    const client = await open(t)
    const ids = Array.from({ length: 51 }, (_, i) => `a${i}`)
    for (const id of ['1', '2', '3', '4']) {
      client.send({ type: 'subscribe', id, agent_ids: ids })
      t.match(await client.next(), { type: 'error', id, error: 'bad_request', message: /at most 50/ })
    }
    await expectAlive(t, client)
  })

  await t.test('so is a binary message, even one that holds a good frame', async (t) => {
    const client = await open(t)
    client.socket.send(Buffer.from('{"type":"ping"}'), { binary: true })
    await expectBadMessage(t, client, 'binary')
    await expectAlive(t, client)
  })

  await t.test('of duplicate keys the last counts, and escapes of lone surrogates are text', async (t) => {
    const client = await open(t)
    client.send('{"type":"shout","type":"ping","id":"a","id":"b"}')
    t.same(await client.next(), { type: 'pong', id: 'b' })
    client.send('{"type":"ping","id":"\\ud800"}')
    t.same(await client.next(), { type: 'pong', id: '\ud800' })
  })

  await t.test('the third malformed message within a minute closes with 4400', async (t) => {
    const client = await open(t)
    for (const text of ['noise', '[]']) {
      client.send(text)
      await expectBadMessage(t, client, text)
    }
    await expectAlive(t, client)
    client.send('{}')
    await expectBadMessage(t, client, 'the third')
    t.same(await client.closed, { code: 4400, reason: '{"error":"bad_message"}' })
  })

  await t.test('text that is no UTF-8 ends the socket', async (t) => {
    const client = await open(t)
    client.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false })
    t.match([1006, 1007].includes((await client.closed).code), true)
  })

  await t.test('an unmasked message harms nobody', async (t) => {
    const witness = await open(t)
    const client = await open(t)
    client.socket.send('{"type":"ping"}', { mask: false })
    await expectAlive(t, witness)
  })

  await t.test('no object was polluted and no fault was logged', async (t) => {
    t.equal((await gateway.admin('/healthz')).status, 200)
    t.same(gateway.log.filter(line => line.event === 'fault'), [])
    t.equal(gateway.stderr(), '')
  })
})

t.test('a connection that sends no data for WS_IDLE_S ends with 4408, and pings do not save it', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), WS_IDLE_S: '1' })
  const client = await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  const openedMs = performance.now()
  await client.next()
  client.socket.ping()
  t.same(await client.closed, { code: 4408, reason: '{"error":"idle"}' })
  const tookMs = performance.now() - openedMs
  t.ok(tookMs >= 900 && tookMs < HANG_MS, `${Math.round(tookMs)} ms`)
})
