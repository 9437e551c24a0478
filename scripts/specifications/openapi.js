// The HTTP side as OpenAPI 3.1, from the routes and the refusals of the code.
import { httpRefusal } from '../../dist/connection/answer-refusal.js'
import { PATHS } from '../../dist/connection/read-request.js'
import { REFUSALS, refuse } from '../../dist/refusals.js'
import { RefusalBodySchema } from '../../dist/http/answer-schemas.js'
import { SUBPROTOCOL } from '../../dist/wire/frames.js'
import { buildHttpPaths } from './http-operations.js'
import { queryParameters } from './parameters.js'
import { AUTHENTICATION, RATE_LIMITS } from './words.js'

const ADMIN_SERVER = { url: 'http://127.0.0.1:9002', description: 'admin port' }
const MAIN_SERVERS = [{ url: 'https://gateway.example.com', description: 'main port' }, { url: 'http://127.0.0.1:9001', description: '`npm run dev`' }]
const ref = (kind, name) => ({ $ref: `#/components/${kind}/${name}` })
const json = (schema, examples) => ({ 'application/json': { schema, ...(examples === undefined ? {} : { examples }) } })
const retryAfter = (required = true) => ({ 'Retry-After': { required, description: 'whole seconds until another attempt can succeed', schema: { type: 'integer', minimum: 1 } } })
const challenge = { 'WWW-Authenticate': { required: true, description: 'RFC 6750', schema: { type: 'string' } } }

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

/** Makes the OpenAPI document. */
export function buildOpenApi (version) {
  const schemas = { Refusal: RefusalBodySchema }
  const httpPaths = buildHttpPaths({ main: MAIN_SERVERS, admin: ADMIN_SERVER }, schemas)
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
    tags: ['connections', 'back ends', 'issuers', 'operators', 'health'].map(name => ({ name })),
    paths: { ...Object.fromEntries([...PATHS.keys()].map(path => [path, { get: upgrade(path) }])), ...httpPaths },
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
