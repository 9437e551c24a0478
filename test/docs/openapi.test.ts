import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import t, { type Test } from 'tap'
import { createAdminRoutes, createMainRoutes } from '../../src/http/routes/mounted-routes.js'
import { createIssuerWordRoutes } from '../../src/http/routes/issuer-word.js'
import { createTicketRoutes } from '../../src/http/routes/tickets.js'
import { rewritePath } from '../../src/http/target.js'
import { connect, connectRefused, freshAddress, type ConnectOptions } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { exchange } from '../support/raw-socket.js'
import { follow, isObject, objectAt, readDocument, type Json, type JsonObject } from './documents.js'

const DOCUMENT = JSON.parse(readDocument('openapi.json')) as JsonObject
const PATHS = objectAt(DOCUMENT, 'paths')
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const SECRETS = { ADMIN_TOKEN, PUBLISH_KEY }

const ajv = new Ajv2020({ strict: false, allErrors: true })
addFormats.default(ajv)
const DOCUMENT_ID = 'https://portcullis.example/openapi.json'
ajv.addSchema({ $id: DOCUMENT_ID, components: objectAt(DOCUMENT, 'components') })
const compiled = new Map<string, ValidateFunction>()

/** The check of a schema of the document's components. */
function validatorOf (name: string): ValidateFunction {
  const validator = compiled.get(name) ?? ajv.compile({ $ref: `${DOCUMENT_ID}#/components/schemas/${name}` })
  compiled.set(name, validator)
  return validator
}

interface Operation { readonly method: string, readonly path: string, readonly described: JsonObject }

const OPERATIONS: readonly Operation[] = Object.keys(PATHS).flatMap(path =>
  Object.keys(objectAt(PATHS, path)).map(method => ({ method: method.toUpperCase(), path, described: objectAt(PATHS, path, method) })))
const HTTP_OPERATIONS = OPERATIONS.filter(({ path }) => !path.startsWith('/ws'))
/** Those that the admin port has: what issuers tell is signed, and tickets are for tokens, so that no example of the document succeeds. */
const ADMIN_OPERATIONS = HTTP_OPERATIONS.filter(({ described }) =>
  !((described['tags'] ?? []) as readonly Json[]).some(tag => tag === 'issuers' || tag === 'connections'))

const schemaOf = (content: JsonObject): string => String(objectAt(content, 'application/json', 'schema')['$ref']).split('/').at(-1) ?? ''

function parametersOf (described: JsonObject, place: string): JsonObject[] {
  return ((described['parameters'] ?? []) as readonly JsonObject[]).filter(parameter => parameter['in'] === place)
}

/** The target of an operation with the document's own values. */
function targetOf ({ path, described }: Operation): string {
  const filled = parametersOf(described, 'path').reduce((text, { name, example }) => text.replace(`{${String(name)}}`, encodeURIComponent(String(example))), path)
  const query = new URLSearchParams(parametersOf(described, 'query').map(({ name, example }): [string, string] => [String(name), String(example)]))
  return query.size === 0 ? filled : `${filled}?${query.toString()}`
}

function bodyOf ({ described }: Operation): Json | undefined {
  const { requestBody } = described
  if (!isObject(requestBody)) return undefined
  return (objectAt(DOCUMENT, 'components', 'schemas', schemaOf(objectAt(requestBody, 'content')))['examples'] as readonly Json[])[0]
}

/** Asks a gateway's admin port. `secret: null` shows none. */
async function ask (
  gateway: TestGateway, operation: Operation, { body = bodyOf(operation), secret = 'right' }: { body?: Json | undefined, secret?: string } = {}
): Promise<Response> {
  const [token, key] = secret === 'right' ? [ADMIN_TOKEN, PUBLISH_KEY] : [secret, secret]
  return await gateway.admin(targetOf(operation), {
    method: operation.method,
    headers: { Authorization: `Bearer ${token}`, 'X-Publish-Key': key },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
  })
}

/** Whether a response is one that the document names for the operation: status, headers, and body by its schema. */
function expectDocumented (
  t: Test, { described }: Operation, status: number, headers: (name: string) => string | null, text: string
): void {
  const responses = objectAt(described, 'responses')
  t.ok(String(status) in responses, `${status} is documented`)
  const response = follow(DOCUMENT, objectAt(responses, String(status)))
  for (const [name, header] of Object.entries(isObject(response['headers']) ? response['headers'] : {})) {
    if (isObject(header) && header['required'] === true) t.ok(headers(name), `has ${name}`)
  }
  const { content } = response
  if (!isObject(content)) {
    t.equal(text, '', 'no body')
    return
  }
  const [type = ''] = Object.keys(content)
  t.match(headers('content-type'), new RegExp(`^${type}`))
  if (type !== 'application/json') return
  const validate = validatorOf(schemaOf(content))
  const body = JSON.parse(text) as JsonObject
  t.ok(validate(body), `${text}: ${ajv.errorsText(validate.errors)}`)
  const { examples } = objectAt(content, 'application/json')
  if (isObject(examples) && 'error' in body) t.ok(String(body['error']) in examples, `${String(body['error'])} has an example`)
}

async function expectAnswer (t: Test, operation: Operation, response: Response, status: number): Promise<void> {
  t.equal(response.status, status, `${operation.method} ${operation.path}`)
  expectDocumented(t, operation, response.status, name => response.headers.get(name), await response.text())
}

const named = (method: string, path: string): Operation => {
  const found = OPERATIONS.find(operation => operation.method === method && operation.path === path)
  if (found === undefined) throw new Error(`${method} ${path} is not documented`)
  return found
}

t.test('the document is valid by the official schema of OpenAPI 3.1', async (t) => {
  const validator = new Validator()
  t.same(await validator.validate(structuredClone(DOCUMENT)), { valid: true })
  t.equal(validator.version, '3.1')
  t.equal((await new Validator().validate({ ...DOCUMENT, paths: 'none' })).valid, false)
})

t.test('every route of both ports stands in the document, and no other', async (t) => {
  const nothing = async (): Promise<never> => await Promise.reject(new Error('nothing is asked here'))
  const publishing = {
    publishKeys: [PUBLISH_KEY], publishing: { knowsIds: true, publish: nothing }, tracer: null, tracesEvents: false, onWrongSecret () {}
  }
  const hearing = { hear: nothing, refuse: nothing }
  const main = [
    ...createMainRoutes({ ...publishing, orders: { recheck: nothing } }),
    ...createIssuerWordRoutes({ logouts: hearing, signals: hearing, authorization: null }),
    ...createTicketRoutes({
      path: '/v1/tickets', lifeMs: 1, proofAlgorithms: [], checkOrigin: () => null, ask: nothing, noteForeign () {}, render: () => { throw new Error('unused') }
    })
  ]
  const admin = createAdminRoutes({
    ...publishing,
    adminTokens: [ADMIN_TOKEN],
    onAction () {},
    readiness: nothing,
    renderMetrics: nothing,
    listConnections: nothing,
    explain: nothing,
    lists: { listBans: nothing, listRevocations: nothing },
    orders: { revoke: nothing, unrevoke: nothing, ban: nothing, unban: nothing, disconnect: nothing, recheck: nothing },
    issuers: [],
    maxTokenLifetimeMs: 0
  })
  const served = new Set([...main, ...admin].map(({ method, path }) => `${method} ${rewritePath(path, name => `{${name}}`)}`))
  const described = new Set(HTTP_OPERATIONS.map(({ method, path }) => `${method} ${path}`))
  const missing = (from: ReadonlySet<string>, names: ReadonlySet<string>): string[] => [...names].filter(name => !from.has(name))
  t.same({ undescribed: missing(described, served), unserved: missing(served, described) }, { undescribed: [], unserved: [] })
})

t.test('every example of a schema or an answer is valid', async (t) => {
  for (const [name, schema] of Object.entries(objectAt(DOCUMENT, 'components', 'schemas'))) {
    t.same(await offenders((isObject(schema) ? schema['examples'] ?? [] : []) as readonly Json[], example => validatorOf(name)(example)), [])
  }
  for (const { described, path } of OPERATIONS) {
    for (const response of Object.values(objectAt(described, 'responses'))) {
      const content = isObject(response) ? response['content'] : undefined
      if (!isObject(content) || !('application/json' in content)) continue
      for (const example of Object.values(objectAt(content, 'application/json')['examples'] ?? {})) {
        const validate = validatorOf(schemaOf(content))
        t.ok(validate(isObject(example) ? example['value'] : null), `${path}: ${ajv.errorsText(validate.errors)}`)
      }
    }
  }
})

const SAMPLE: JsonObject = { topic: 'agent:a1', event: 'e', data: 1 }

t.test('what the document says of HTTP, a real gateway does', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...SECRETS })

  await t.test('every operation, with the values of the document, succeeds as documented', async (t) => {
    await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
    for (const operation of ADMIN_OPERATIONS.toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))) {
      const response = await ask(gateway, operation)
      t.ok(response.ok, `${operation.method} ${operation.path}: ${response.status}`)
      await expectAnswer(t, operation, response, response.status)
    }
  })

  await t.test('the list of connections shows one as the document does', async (t) => {
    await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
    const { connections } = await (await ask(gateway, named('GET', '/v1/connections'))).json() as { connections: JsonObject[] }
    const { examples } = objectAt(DOCUMENT, 'components', 'schemas', 'ConnectionList')
    const [example] = examples as ReadonlyArray<{ readonly connections: readonly JsonObject[] }>
    t.same(Object.keys(connections[0] ?? {}), Object.keys(example?.connections[0] ?? {}))
  })

  await t.test('bodies are taken and refused as their schemas say', async (t) => {
    const bodies: ReadonlyArray<readonly [string, string, readonly Json[]]> = [
      ['POST', '/v1/publish', [{}, [], null, [SAMPLE], Array<Json>(1000).fill(SAMPLE), Array<Json>(1001).fill(SAMPLE), { ...SAMPLE, id: '' }, { ...SAMPLE, id: 'i'.repeat(64) }, { ...SAMPLE, id: 'i'.repeat(65) }, { ...SAMPLE, id: 7 },
        { ...SAMPLE, id: '\ud800' }, { topic: 'agent:a1', event: 'e' }, { topic: 'agent:a1', event: '', data: 1 }, { topic: 'agent:a1', event: 'e', data: null },
        { topic: 'agent:', event: 'e', data: 1 }, { topic: 'room:1', event: 'e', data: 1 }, { topic: 'agent:a b', event: 'e', data: 1 }, { topic: 'user:any one', event: 'e', data: 1 },
        { topic: 'user:', event: 'e', data: 1 }, { topic: `user:${'u'.repeat(512)}`, event: 'e', data: 1 }, { topic: `user:${'u'.repeat(513)}`, event: 'e', data: 1 },
        { topic: 'task:t1', event: 'e'.repeat(128), data: [] }, { topic: 'task:t1', event: 'e'.repeat(129), data: [] }, { topic: 1, event: 'e', data: 1 }, { topic: 'task:t1', event: 5, data: 1 }]],
      ['PUT', '/v1/bans/{address}', [{}, null, [], { seconds: 0 }, { seconds: 1 }, { seconds: 0.5 }, { seconds: '5' }, { seconds: 31_536_000 }, { seconds: 31_536_001 }]],
      ['POST', '/v1/revocations', [{}, null, { jti: '' }, { jti: 'j' }, { sid: 's', issuer: 'oidc' }, { sub: 'u', issued_before: 0 }, { sub: 'u', issued_before: -1 }, { sub: 'u', more: 1 }, { sub: 5 },
        { sub: 'u', issuer: '' }, { sub: 'u', issued_before: '2026-01-01T00:00:00Z' }, { sub: 'u', issued_before: true }, { sub: 'x'.repeat(2048) }, { sub: 'x'.repeat(2049) }]]
    ]
    for (const [method, path, candidates] of bodies) {
      const operation = named(method, path)
      const validate = validatorOf(schemaOf(objectAt(operation.described, 'requestBody', 'content')))
      for (const body of candidates) {
        const response = await ask(gateway, operation, { body })
        // Of the three ids of a revocation one is needed, which its schema says in words.
        const isDocumented = validate(body) && !(path === '/v1/revocations' && Object.keys(body ?? {}).length === 0)
        t.equal(response.ok, isDocumented, `${path} ${JSON.stringify(body).slice(0, 80)}`)
        if (!response.ok) await expectAnswer(t, operation, response, 400)
      }
    }
    await expectAnswer(t, named('POST', '/v1/publish'), await ask(gateway, named('POST', '/v1/publish'), { body: 'x'.repeat(1_048_577) }), 413)
    await expectAnswer(t, named('POST', '/v1/revocations'), await ask(gateway, named('POST', '/v1/revocations'), { body: 'x'.repeat(16_385) }), 413)
  })

  await t.test('the main port answers what is published there as documented', async (t) => {
    const operation = named('POST', '/v1/publish')
    const publish = async (key: string, body: Uint8Array<ArrayBuffer> | string): Promise<Response> =>
      await fetch(`http://127.0.0.1:${gateway.port}/v1/publish`, { method: 'POST', headers: { 'X-Publish-Key': key }, body })
    await expectAnswer(t, operation, await publish(PUBLISH_KEY, JSON.stringify(bodyOf(operation))), 202)
    for (const body of ['', '{', '{}', new Uint8Array([0x22, 0xff, 0x22])]) await expectAnswer(t, operation, await publish(PUBLISH_KEY, body), 400)
    await expectAnswer(t, operation, await publish(PUBLISH_KEY, 'x'.repeat(1_048_577)), 413)
    await expectAnswer(t, operation, await publish('wrong', '{}'), 401)
  })

  await t.test('rights are rechecked on the main port with the key of publishers, for those who are named', async (t) => {
    const operation = named('POST', '/v1/recheck')
    const validate = validatorOf(schemaOf(objectAt(operation.described, 'requestBody', 'content')))
    const users = (count: number): Json[] => Array.from({ length: count }, (_, n) => ({ user_id: `u${n}` }))
    const bodies: readonly Json[] = [{ user_id: 'alice' }, users(1), users(100), users(101), [], {}, null, 'alice', ['alice'], { user_id: '' }, { user_id: null },
      { user_id: 'u'.repeat(2048) }, { user_id: 'u'.repeat(2049) }, { user_id: 'a', more: 1 }, [{ user_id: 'a' }, {}]]
    const recheck = async (body: Json, headers: Record<string, string> = { 'X-Publish-Key': PUBLISH_KEY }): Promise<Response> =>
      await fetch(`http://127.0.0.1:${gateway.port}/v1/recheck`, { method: 'POST', headers, body: JSON.stringify(body) })
    for (const body of bodies) await expectAnswer(t, operation, await recheck(body), validate(body) ? 202 : 400)
    const wrong: ReadonlyArray<Record<string, string>> = [{}, { 'X-Publish-Key': 'wrong' }, { Authorization: `Bearer ${ADMIN_TOKEN}` }]
    for (const headers of wrong) await expectAnswer(t, operation, await recheck({ user_id: 'alice' }, headers), 401)
  })

  await t.test('a wrong secret, then too many of them', async (t) => {
    for (const operation of [named('GET', '/v1/connections'), named('POST', '/v1/publish')]) {
      const answers: Response[] = []
      const asking: Array<Promise<void>> = []
      // On a busy machine the first are answered before the last have come: more come, until one comes while 64 wait.
      while (!answers.some(({ status }) => status === 429)) {
        const more = Array.from({ length: 100 }, async () => { answers.push(await ask(gateway, operation, { secret: 'wrong' })) })
        asking.push(...more)
        await Promise.race(more)
      }
      await Promise.all(asking)
      const [late = [], refused = []] = [401, 429].map(status => answers.filter(answer => answer.status === status))
      t.ok(late.length >= 64)
      for (const answer of late.slice(0, 1)) await expectAnswer(t, operation, answer, 401)
      for (const answer of refused.slice(0, 1)) await expectAnswer(t, operation, answer, 429)
      t.equal((await ask(gateway, operation)).ok, true, 'the right one is heard at once')
    }
  })
})

t.test('without secrets the endpoints are not there, and without Redis nothing is promised', async (t) => {
  const issuer = await startIssuer(t)
  const [bare, cutOff] = await Promise.all([
    startGateway(t, trust(issuer)), startGateway(t, { ...trust(issuer), ...SECRETS, REDIS_URL: `redis://127.0.0.1:${await findFreePort()}` })
  ])
  await Promise.all(ADMIN_OPERATIONS.filter(({ path }) => path.startsWith('/v1/')).map(async (operation) => {
    await expectAnswer(t, operation, await ask(bare, operation), 404)
    // An explanation says what an upgrade would meet: also that Redis is away.
    await expectAnswer(t, operation, await ask(cutOff, operation), operation.path === '/v1/explain' ? 200 : 503)
  }))
  await expectAnswer(t, named('GET', '/readyz'), await ask(cutOff, named('GET', '/readyz')), 503)
})

t.test('every refusal of an upgrade that the document shows is given so', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), ...SECRETS, WS_MAX_CONNECTIONS: '6' })
  const shown = new Set(Object.values(objectAt(named('GET', '/ws').described, 'responses')).flatMap(response => Object.keys(
    isObject(response) && isObject(response['content']) ? objectAt(response['content'], 'application/json', 'examples') : {})))
  const expectRefused = async (name: string, path: string, options: ConnectOptions = {}): Promise<void> => {
    const { status, headers, body } = await connectRefused(t, gateway, path, { from: freshAddress(), ...options })
    t.equal(body['error'], name, path.slice(0, 40))
    const operation = named('GET', path.split('?')[0] ?? '')
    expectDocumented(t, operation, status, header => String(headers[header.toLowerCase()] ?? ''), JSON.stringify(body))
    const example = objectAt(operation.described, 'responses', String(status), 'content', 'application/json', 'examples', name, 'value')
    t.same(Object.keys(body), Object.keys(example), `${name}: the fields of its example`)
    shown.delete(name)
  }
  const pastS = Math.floor(Date.now() / 1000) - 600
  const busy = freshAddress()
  const banned = freshAddress()
  await expectRefused('bad_request', '/ws?agent_ids=')
  await expectRefused('bad_request', '/ws/agents?task_ids=t1')
  await expectRefused('missing_token', '/ws/tasks')
  await expectRefused('invalid_token', '/ws?token=noise')
  await expectRefused('expired_token', `/ws?token=${issuer.sign({ iat: pastS - 60, exp: pastS })}`)
  await expectRefused('forbidden', `/ws?token=${issuer.sign()}&agent_ids=a1`)
  t.equal((await ask(gateway, named('POST', '/v1/revocations'), { body: { jti: 'j1' } })).status, 204)
  await expectRefused('revoked', `/ws?token=${issuer.sign({ jti: 'j1' })}`)
  t.equal((await gateway.admin(`/v1/bans/${banned}`, { method: 'PUT', headers: { Authorization: `Bearer ${ADMIN_TOKEN}` }, body: '{"seconds":60}' })).status, 204)
  await expectRefused('banned', '/ws', { from: banned })
  for (let i = 0; i < 10; i++) await connectRefused(t, gateway, '/ws', { from: busy })
  await expectRefused('ip_rate_limited', '/ws', { from: busy })
  for (let i = 0; i < 5; i++) await connect(t, gateway, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  await expectRefused('user_connection_limit', `/ws?token=${issuer.sign()}`)
  await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: freshAddress() })
  await expectRefused('overloaded', `/ws?token=${issuer.sign({ sub: 'carol' })}`)

  const plain = await exchange(t, gateway, 'GET /ws HTTP/1.1\r\nHost: localhost\r\n\r\n', freshAddress())
  expectDocumented(t, named('GET', '/ws'), plain?.status ?? 0, name => plain?.headers.get(name.toLowerCase()) ?? null, plain?.body ?? '')
  shown.delete('upgrade_required')
  t.same([...shown], ['restarting', 'unavailable'], 'the two that need an end or an outage are left')
})

t.test('an outage of the issuer, and an end, are refused as documented', async (t) => {
  const [issuer, lost] = await Promise.all([startIssuer(t), startIssuer(t)])
  lost.behave('all', 'drop')
  const [ending, keyless] = await Promise.all([startGateway(t, { ...trust(issuer), WS_DRAIN_SECONDS: '600' }), startGateway(t, trust(lost), { ready: false })])
  const expectRefused = async (gateway: TestGateway, name: string, token: string): Promise<void> => {
    const { status, headers, body } = await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    t.equal(body['error'], name)
    expectDocumented(t, named('GET', '/ws'), status, header => String(headers[header.toLowerCase()] ?? ''), JSON.stringify(body))
  }
  await expectRefused(keyless, 'unavailable', lost.sign())
  for (let i = 0; i < 3; i++) await connect(t, ending, `/ws?token=${issuer.sign()}`, { from: freshAddress() })
  ending.signal('SIGTERM')
  await ending.waitForLog('server.draining')
  await expectRefused(ending, 'restarting', issuer.sign())
})
