import { createRequire } from 'node:module'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import t, { type Test } from 'tap'
import { REFUSALS } from '../../src/refusals.js'
import { decodeText } from '../wire/decode-text.js'
import { connect, freshAddress, type Frame, type TestClient } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { follow, isObject, objectAt, readDocument, type Json, type JsonObject } from './documents.js'
import { differences } from './transcript.js'

const DOCUMENT = JSON.parse(readDocument('asyncapi.json')) as JsonObject
const CLIENT_FRAMES = ['subscribe', 'unsubscribe', 'send', 'refresh', 'ping']
const CLAIMS = { agents: ['a1', 'a2'], tasks: ['t1'], scope: 'ws:send' }

const ajv = new Ajv({ strict: false, allErrors: true })
addFormats.default(ajv)

const payloadOf = (name: string): JsonObject => objectAt(DOCUMENT, 'components', 'messages', name, 'payload')
const validators = new Map(Object.keys(objectAt(DOCUMENT, 'components', 'messages')).map(name => [name, ajv.compile(payloadOf(name))]))

function validatorOf (name: string): ValidateFunction {
  const validator = validators.get(name)
  if (validator === undefined) throw new Error(`no message ${name}`)
  return validator
}

function examplesOf (name: string): Json[] {
  const { examples } = objectAt(DOCUMENT, 'components', 'messages', name)
  return (examples as readonly JsonObject[]).map(example => example['payload'] ?? null)
}

/** The message that a frame of the server is, by the document. */
const nameOf = (frame: Frame): string => frame['code'] === 429 ? 'too_many_requests' : frame.type

function expectDocumented (t: Test, frame: Frame): void {
  const name = nameOf(frame)
  t.ok(validatorOf(name)(frame), `${JSON.stringify(frame)}: ${ajv.errorsText(validatorOf(name).errors)}`)
  t.same(Object.keys(frame).filter(field => !(field in objectAt(payloadOf(name), 'properties'))), [], 'no field that is not documented')
}

t.test('the document is valid by the official schema of AsyncAPI', async (t) => {
  const official = createRequire(import.meta.url)('@asyncapi/specs/schemas/3.0.0-without-$id.json') as JsonObject
  const validate = ajv.compile(official)
  t.ok(validate(DOCUMENT), ajv.errorsText(validate.errors))
  t.notOk(validate({ ...DOCUMENT, asyncapi: '9.0.0' }))
})

t.test('every example is valid by its own schema', async (t) => {
  for (const [name, validate] of validators) {
    const examples = examplesOf(name)
    t.ok(examples.length > 0, name)
    t.same(await offenders(examples, example => validate(example)), [])
  }
})

t.test('what the schemas refuse, the gateway refuses, and nothing else', async (t) => {
  const strays: Json[] = [
    {}, [], 'ping', { type: 'ping', id: 5 }, { type: 'ping', id: 'x'.repeat(64) }, { type: 'ping', id: 'x'.repeat(65) }, { type: 'ping', more: 1 },
    { type: 'subscribe' }, { type: 'subscribe', agent_ids: [] }, { type: 'subscribe', agent_ids: '*' }, { type: 'subscribe', agent_ids: ['*'] },
    { type: 'subscribe', agent_ids: ['*', 'a'] }, { type: 'subscribe', agent_ids: ['a b'] }, { type: 'subscribe', task_ids: ['x'.repeat(128)] },
    { type: 'subscribe', task_ids: ['x'.repeat(129)] }, { type: 'subscribe', event_types: 'status' }, { type: 'send', to: 'agent:a1' },
    { type: 'send', to: 'agent:a1', data: null }, { type: 'send', to: 'user:alice', data: 1 }, { type: 'send', to: 'agent:', data: 1 },
    { type: 'refresh' }, { type: 'refresh', token: '' }, { type: 'refresh', token: 'x' }, { type: 'unsubscribe', event_types: ['e'] }
  ]
  for (const frame of strays) {
    const documented = CLIENT_FRAMES.some(name => validatorOf(name)(frame))
    t.equal(decodeText(JSON.stringify(frame)) !== null, documented, JSON.stringify(frame))
  }
})

t.test('the close codes are those of the table of refusals', async (t) => {
  const listed = (DOCUMENT['x-close-codes'] as readonly JsonObject[]).filter(({ error }) => error !== null)
  const expected = Object.entries(REFUSALS).filter(([, { closeCode }]) => closeCode !== null).map(([error, { closeCode }]) => `${closeCode} ${error}`)
  t.same(listed.map(({ code, error }) => `${String(code)} ${String(error)}`).sort(), expected.sort())
})

t.test('a real gateway answers every example as documented', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const open = async (t: Test, path: string): Promise<TestClient> => {
    const client = await connect(t, gateway, path, { from: freshAddress(), headers: { Authorization: `Bearer ${issuer.sign(CLAIMS)}` } })
    const welcome = await client.next()
    expectDocumented(t, welcome)
    t.same(differences(examplesOf('welcome')[0], { ...welcome } as JsonObject), [], 'the first frame is the welcome of the document')
    return client
  }

  for (const [operation, value] of Object.entries(objectAt(DOCUMENT, 'operations'))) {
    if (!isObject(value) || value['reply'] === undefined) continue
    await t.test(operation, async (t) => {
      const { address } = follow(DOCUMENT, objectAt(value, 'channel'))
      const [name = ''] = namesIn(value)
      const replies = namesIn(objectAt(value, 'reply'))
      for (const example of examplesOf(name)) {
        const client = await open(t, String(address))
        client.send(JSON.stringify(example).replace('<jwt>', issuer.sign(CLAIMS)))
        const answer = await client.next()
        t.ok(replies.includes(answer.type), `${name} is answered by ${answer.type}`)
        // Only a path that takes no such ids may say no to an example.
        t.equal(answer.type === 'error', isTooMuchFor(String(address), example), JSON.stringify(answer))
        t.equal(answer['id'], isObject(example) ? example['id'] : undefined)
        expectDocumented(t, answer)
        client.socket.close()
        await client.closed
      }
    })
  }

  await t.test('an event of a back end', async (t) => {
    const client = await open(t, '/ws?agent_ids=a1')
    await client.nextOf('subscribed')
    const [example] = examplesOf('topic_event')
    await redis.client.publish('ws:topic:agent:a1', JSON.stringify(example))
    const event = await client.nextOf('event')
    expectDocumented(t, event)
    t.same({ event: event['event'], data: event['data'] }, example)
  })

  await t.test('orders of a back end', async (t) => {
    const client = await open(t, '/ws?agent_ids=a1')
    await client.nextOf('subscribed')
    for (const name of ['recheck', 'disconnect']) await redis.client.publish('ws:control', JSON.stringify(examplesOf(name)[0]))
    t.match(await client.closed, { code: 4403, reason: '{"error":"disconnected"}' })
    t.same(gateway.log.filter(({ event }) => event === 'control.invalid'), [])
  })

  await t.test('a message of a client in the stream', async (t) => {
    const client = await open(t, '/ws')
    await redis.client.del('ws:inbound')
    client.send(examplesOf('send')[0])
    await client.nextOf('sent')
    await until('the entry', async () => await redis.client.xlen('ws:inbound') === 1)
    const [[, fields] = ['', []]] = await redis.client.xrange('ws:inbound', '-', '+')
    const entry = Object.fromEntries(fields.flatMap((field, index): Array<[string, string]> => index % 2 === 0 ? [[field, fields[index + 1] ?? '']] : []))
    t.ok(validatorOf('inbound_entry')(entry), ajv.errorsText(validatorOf('inbound_entry').errors))
    t.same(differences(examplesOf('inbound_entry')[0], entry), [])
  })
})

/** Names of the messages that an operation, or its reply, lists. */
function namesIn (value: JsonObject): string[] {
  return (value['messages'] as readonly JsonObject[]).map(({ $ref }) => String($ref).split('/').at(-1) ?? '')
}

const isTooMuchFor = (path: string, example: Json): boolean => isObject(example) && example['type'] === 'subscribe' &&
  ((path === '/ws/tasks' && 'agent_ids' in example) || (path === '/ws/agents' && 'task_ids' in example))
