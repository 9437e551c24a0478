// The HTTP side as OpenAPI 3.1, from the schemas and the answers of the code.
import { httpRefusal } from '../../dist/connection/answer-refusal.js'
import { PATHS } from '../../dist/connection/read-request.js'
import { REFUSALS, refuse } from '../../dist/refusals.js'
import { denialAnswer, refusalAnswer, tooLargeAnswer } from '../../dist/http/answers.js'
import { ConnectionListSchema, HealthSchema, PublishedSchema, ReadinessSchema, RefusalBodySchema } from '../../dist/http/answer-schemas.js'
import { BanBodySchema, PublishBodySchema, RevocationBodySchema } from '../../dist/http/request-schemas.js'
import { SUBPROTOCOL } from '../../dist/wire/frames.js'
import { queryParameters } from './parameters.js'
import { AUTHENTICATION, RATE_LIMITS } from './words.js'

const ADMIN_SERVER = { url: 'http://127.0.0.1:9002', description: 'admin port' }
const MAIN_SERVERS = [{ url: 'https://gateway.example.com', description: 'main port' }, { url: 'http://127.0.0.1:9001', description: '`npm run dev`' }]
const ref = (kind, name) => ({ $ref: `#/components/${kind}/${name}` })
const json = (schema, examples) => ({ 'application/json': { schema, ...(examples === undefined ? {} : { examples }) } })
const retryAfter = (required = true) => ({ 'Retry-After': { required, description: 'whole seconds until another attempt can succeed', schema: { type: 'integer', minimum: 1 } } })
const challenge = { 'WWW-Authenticate': { required: true, description: 'RFC 6750', schema: { type: 'string' } } }

/** A response as the admin port gives it. */
function adminResponse (description, { status, body, headers = {} }) {
  return [String(status), {
    description,
    headers: { ...(headers['Retry-After'] === undefined ? {} : retryAfter()), ...(status === 401 ? challenge : {}) },
    content: json(ref('schemas', 'Refusal'), { [body.error]: { value: body } })
  }]
}

const BAD_REQUEST = adminResponse('The request is malformed; `message` says how.', refusalAnswer('bad_request', 'what is wrong'))
const UNAVAILABLE = adminResponse('Redis cannot keep it, or cannot be asked: try again.', { ...refusalAnswer('unavailable', 'Redis cannot be asked now; try again'), headers: { 'Retry-After': '1' } })
const TOO_LARGE = adminResponse('The body is too large.', tooLargeAnswer())
const DENIALS = [
  adminResponse('The secret is missing or wrong.', denialAnswer({ verdict: 'unauthorized' })),
  adminResponse('The endpoint is turned off: its secret is not set.', denialAnswer({ verdict: 'hidden' })),
  adminResponse('Ten wrong secrets in a minute from this address.', denialAnswer({ verdict: 'limited', retryAfterMs: 60_000 }))
]

const body = schema => ({ required: true, content: json(ref('schemas', schema)) })
const DONE = ['204', { description: 'Done, here and within a second on every process.' }]

/** An order of an operator. */
function order (summary, responses, more = {}) {
  return { tags: ['operators'], summary, servers: [ADMIN_SERVER], security: [{ admin_token: [] }], ...more, responses: Object.fromEntries([...responses, ...DENIALS, UNAVAILABLE]) }
}

/** A path that anyone may ask on the admin port. */
function open (summary, responses) {
  return { tags: ['health'], summary, servers: [ADMIN_SERVER], security: [], responses }
}

const userId = required => ({ name: 'user_id', in: 'query', required, description: required ? 'the user' : 'the user; without it, everybody', schema: { type: 'string', minLength: 1, maxLength: 2048 }, example: 'alice' })
const inPath = (name, description, example) => ({ name, in: 'path', required: true, description, schema: { type: 'string', minLength: 1 }, example })
const address = inPath('address', 'IPv4 or IPv6; an IPv6 address stands for its /64', '198.51.100.7')

function refusalsBy (status) {
  return Object.entries(REFUSALS).filter(([name, kind]) => kind.status === status && name !== 'not_found').map(([name]) => name)
}

function refusalResponse (status) {
  const names = refusalsBy(status)
  const refusalOf = name => httpRefusal(refuse(name, ['ip_rate_limited', 'banned'].includes(name) ? { retryAfterMs: 41_250 } : {}))
  const waiting = names.filter(name => refusalOf(name).headers.some(([header]) => header === 'Retry-After'))
  return [String(status), {
    description: names.map(name => `\`${name}\`: ${REFUSALS[name].message}`).join('; '),
    headers: { ...(status === 401 ? challenge : {}), ...(waiting.length > 0 ? retryAfter(waiting.length === names.length) : {}) },
    content: json(ref('schemas', 'Refusal'), Object.fromEntries(names.map(name => [name, { value: JSON.parse(refusalOf(name).body) }])))
  }]
}

function upgrade (path) {
  const all = new Set(Object.values(REFUSALS).map(({ status }) => status))
  const statuses = [...all].filter(status => status !== null && refusalsBy(status).length > 0)
  const header = (name, value) => ({ name, in: 'header', required: true, schema: { type: 'string', const: value }, example: value })
  return {
    tags: ['connections'],
    summary: `Open a WebSocket that takes ${PATHS.get(path).join(' and ')}`,
    description: 'Frames stand in asyncapi.json. Which refusal is answered, the first in this order: request shape, origin, ban and address window, token, permissions, user slot.',
    servers: MAIN_SERVERS,
    security: [{ token_in_protocol: [] }, { token_in_header: [] }, { token_in_query: [] }],
    parameters: [
      header('Upgrade', 'websocket'),
      header('Connection', 'Upgrade'),
      header('Sec-WebSocket-Version', '13'),
      { name: 'Sec-WebSocket-Key', in: 'header', required: true, schema: { type: 'string', pattern: '^[A-Za-z0-9+/]{22}==$' }, example: 'dGhlIHNhbXBsZSBub25jZQ==' },
      ...queryParameters(path).map(parameter => ({ ...parameter, in: 'query', required: false, style: 'form', explode: false }))
    ],
    responses: Object.fromEntries([
      ['101', {
        description: 'The WebSocket is open; `welcome` follows.',
        headers: { 'Sec-WebSocket-Protocol': { description: `\`${SUBPROTOCOL}\`, when it was offered`, schema: { type: 'string', const: SUBPROTOCOL } } }
      }],
      ...statuses.map(refusalResponse)
    ])
  }
}

const ok = (schema, description) => ['200', { description, content: json(ref('schemas', schema)) }]
const unready = { status: 'not_ready', reasons: ['draining'], issuers_without_keys: [] }

const adminPaths = {
  '/healthz': { get: open('The process lives', Object.fromEntries([ok('Health', 'It does.')])) },
  '/readyz': {
    get: open('Whether traffic may be sent here', {
      200: ok('Readiness', 'It may.')[1],
      503: { description: 'It may not: starting, draining, no issuer\'s tokens can be checked, or Redis is away and the limits need it.', content: json(ref('schemas', 'Readiness'), { draining: { value: unready } }) }
    })
  },
  '/metrics': { get: open('Prometheus metrics', { 200: { description: 'Text exposition format.', content: { 'text/plain': { schema: { type: 'string' } } } } }) },
  '/v1/connections': { get: order('Open connections of a user', [ok('ConnectionList', 'Those of all processes that answered in time.'), BAD_REQUEST], { parameters: [userId(true)] }) },
  '/v1/users/{id}/connections': {
    delete: order('End a user\'s connections: 4403 `disconnected`', [DONE, BAD_REQUEST], { parameters: [inPath('id', 'user id, percent-encoded', 'alice')] })
  },
  '/v1/revocations': {
    post: order('Revoke a token, a session, or all tokens of a user', [DONE, BAD_REQUEST, TOO_LARGE], { requestBody: body('Revocation') }),
    delete: order('Take a revocation back', [DONE, BAD_REQUEST, TOO_LARGE], { requestBody: body('Revocation') })
  },
  '/v1/bans/{address}': {
    put: order('Ban an address', [DONE, BAD_REQUEST, TOO_LARGE], { parameters: [address], requestBody: body('Ban') }),
    delete: order('Lift a ban', [DONE, BAD_REQUEST], { parameters: [address] })
  },
  '/v1/recheck': { post: order('Ask again what open connections may see', [DONE, BAD_REQUEST], { parameters: [userId(false)] }) }
}

const publish = {
  tags: ['back ends'],
  summary: 'Publish one event to all that listen to a topic',
  description: 'On the main and on the admin port. The key is checked before the body is read; the body may have 1 MiB.',
  servers: [...MAIN_SERVERS, ADMIN_SERVER],
  security: [{ publish_key: [] }],
  requestBody: body('Publish'),
  responses: Object.fromEntries([
    ['202', { description: 'The bus has it.', content: json(ref('schemas', 'Published')) }],
    BAD_REQUEST,
    ['401', {
      description: 'The key is missing or wrong.',
      content: json(ref('schemas', 'Refusal'), { unauthorized: { value: { error: 'unauthorized', message: 'X-Publish-Key is missing or wrong' } } })
    }],
    ['408', { description: 'The body did not come in time (main port).', content: json(ref('schemas', 'Refusal')) }],
    TOO_LARGE,
    ...DENIALS.slice(1),
    UNAVAILABLE
  ])
}

const schemas = {
  Refusal: RefusalBodySchema,
  Health: HealthSchema,
  Readiness: ReadinessSchema,
  ConnectionList: ConnectionListSchema,
  Revocation: RevocationBodySchema,
  Ban: BanBodySchema,
  Publish: PublishBodySchema,
  Published: PublishedSchema
}

/** Makes the OpenAPI document. */
export function buildOpenApi (version) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Portcullis',
      version,
      summary: 'Opening connections, and what operators and back ends ask for over HTTP.',
      description: [...AUTHENTICATION, 'Limits, unless the operator has set others:', RATE_LIMITS.join('\n')].join('\n\n'),
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' }
    },
    servers: MAIN_SERVERS,
    tags: ['connections', 'back ends', 'operators', 'health'].map(name => ({ name })),
    paths: { ...Object.fromEntries([...PATHS.keys()].map(path => [path, { get: upgrade(path) }])), '/v1/publish': { post: publish }, ...adminPaths },
    components: {
      schemas,
      securitySchemes: {
        token_in_protocol: { type: 'apiKey', in: 'header', name: 'Sec-WebSocket-Protocol', description: `\`${SUBPROTOCOL}, bearer.<jwt>\`` },
        token_in_header: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        token_in_query: { type: 'apiKey', in: 'query', name: 'token' },
        admin_token: { type: 'http', scheme: 'bearer', description: '`ADMIN_TOKEN`' },
        publish_key: { type: 'apiKey', in: 'header', name: 'X-Publish-Key', description: '`PUBLISH_KEY`' }
      }
    }
  }
}
