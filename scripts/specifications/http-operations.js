// Operations of the OpenAPI document, from the very routes that the two ports serve.
import { denialsOf } from '../../dist/http/secrets.js'
import { describeRefusal } from '../../dist/http/describe-answer.js'
import { overloadedAnswer, refusalAnswer, tooLargeAnswer, tooSlowAnswer } from '../../dist/http/answers.js'
import { createAdminRoutes, createMainRoutes } from '../../dist/http/routes/mounted-routes.js'
import { createIssuerWordRoutes } from '../../dist/http/routes/issuer-word.js'
import { createTicketRoutes } from '../../dist/http/routes/tickets.js'
import { rewritePath } from '../../dist/http/target.js'
import { TICKETS_PATH } from '../../dist/tickets/ticket-desk.js'
import { TICKET_LIFE_MS } from '../../dist/tickets/ticket-text.js'
import { PROOF_ALGORITHMS } from '../../dist/tokens/dpop-proof.js'

const HEADERS = {
  'Retry-After': { required: true, description: 'whole seconds until another attempt can succeed', schema: { type: 'integer', minimum: 1 } },
  'WWW-Authenticate': { required: true, description: 'RFC 6750', schema: { type: 'string' } }
}
const SECURITY = { admin: 'admin_token', publish: 'publish_key' }

const askNothing = async () => { throw new Error('a document asks nothing') }
const order = { revoke: askNothing, unrevoke: askNothing, ban: askNothing, unban: askNothing, disconnect: askNothing, recheck: askNothing }
const publishing = { publishKeys: ['any'], publishing: { knowsIds: true, publish: askNothing }, onWrongSecret: () => {} }
const hearing = { hear: askNothing, refuse: askNothing }
const issuerWord = { logouts: hearing, signals: hearing, authorization: null }
const tickets = { path: TICKETS_PATH, lifeMs: TICKET_LIFE_MS, proofAlgorithms: PROOF_ALGORITHMS }
const MAIN_ROUTES = [
  ...createMainRoutes({ ...publishing, orders: order }), ...createIssuerWordRoutes(issuerWord), ...createTicketRoutes(tickets)
]
const ADMIN_ROUTES = createAdminRoutes({
  ...publishing,
  adminTokens: ['any'],
  onAction: () => {},
  readiness: askNothing,
  renderMetrics: askNothing,
  listConnections: askNothing,
  explain: askNothing,
  lists: { listBans: askNothing, listRevocations: askNothing },
  orders: order,
  issuers: [],
  maxTokenLifetimeMs: 0
})

const keyOf = ({ method, path }) => `${method} ${path}`
const isMounted = (routes, route) => routes.some(other => keyOf(other) === keyOf(route))

/** What every route answers by its secret, shapes and bounds, beside its own. */
function sharedAnswers (route, isOnMain) {
  const { secret, body } = route
  const hasBody = body.bounds !== null
  const takesInput = hasBody || [route.params, route.query].some(({ properties }) => properties !== undefined)
  return [
    ...(takesInput ? [[400, describeRefusal('The request is malformed; `message` says how.', refusalAnswer('bad_request', 'what is wrong'))]] : []),
    ...(secret === null
      ? []
      : [
          [401, describeRefusal('The secret is missing or wrong. A wrong one is answered half a second late.', denialsOf(secret.kind).unauthorized)],
          [404, describeRefusal('The endpoint is turned off: its secret is not set.', denialsOf(secret.kind).hidden)],
          [429, describeRefusal('The secret is wrong, and so are many that wait for their answer. The right one is always heard.', denialsOf(secret.kind).limited)]
        ]),
    ...(hasBody ? [[413, describeRefusal('The body is too large.', tooLargeAnswer())]] : []),
    ...(hasBody && isOnMain
      ? [
          [408, describeRefusal('The body did not come in time (main port).', tooSlowAnswer())],
          [503, describeRefusal('Too many bodies are under way (main port).', overloadedAnswer())]
        ]
      : [])
  ]
}

/** Two answers of one status are one response with the examples of both. */
function joinAnswers (answers) {
  const byStatus = new Map()
  for (const [status, answer] of answers) {
    const before = byStatus.get(status)
    byStatus.set(status, before === undefined
      ? answer
      : { ...answer, schema: before.schema, description: `${before.description} ${answer.description}`, examples: { ...before.examples, ...answer.examples } })
  }
  return byStatus
}

const mapEntries = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(name, value)]))
const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]))

function toResponse ({ description, schema, contentType = 'application/json', examples, headers = [] }, refer) {
  return {
    description,
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers.map(name => [name, HEADERS[name]])) }),
    ...(schema === undefined
      ? {}
      : {
          content: {
            [contentType]: {
              schema: refer(schema),
              ...(examples === undefined ? {} : { examples: mapValues(examples, value => ({ value })) })
            }
          }
        })
  }
}

function toParameters ({ properties = {}, required = [] }, place) {
  return Object.entries(properties).map(([name, { description, examples, ...schema }]) => ({
    name, in: place, required: required.includes(name), description, schema, ...(examples === undefined ? {} : { example: examples[0] })
  }))
}

function toOperation (route, servers, refer) {
  const [isOnMain, isOnAdmin] = [isMounted(MAIN_ROUTES, route), isMounted(ADMIN_ROUTES, route)]
  const parameters = [...toParameters(route.params, 'path'), ...toParameters(route.query, 'query')]
  const ownAnswers = Object.entries(route.answers).map(([status, answer]) => [Number(status), answer])
  const answers = joinAnswers([...ownAnswers, ...sharedAnswers(route, isOnMain)])
  return {
    tags: [route.tag],
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    servers: [...(isOnMain ? servers.main : []), ...(isOnAdmin ? [servers.admin] : [])],
    security: route.secret === null ? [] : [{ [SECURITY[route.secret.kind]]: [] }],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.body.bounds === null ? {} : { requestBody: { required: true, content: { [route.body.contentType ?? 'application/json']: { schema: refer(route.body.schema) } } } }),
    responses: Object.fromEntries([...answers].map(([status, answer]) => [status, toResponse(answer, refer)]))
  }
}

/** The same path on both ports, with a secret of its own on each: the document has one place for it. */
function joinOperations (main, admin) {
  return {
    ...main,
    summary: `${main.summary} (main port); ${admin.summary.toLowerCase()} (admin port)`,
    description: `On the main port with the body: ${main.description ?? ''} On the admin port with the parameters, and no body is read.`,
    security: [...main.security, ...admin.security],
    parameters: [...main.parameters ?? [], ...admin.parameters ?? []],
    requestBody: { ...main.requestBody, required: false },
    responses: { ...main.responses, ...mapEntries(admin.responses, (status, response) => joinResponses(main.responses[status], response)) }
  }
}

/** One status of two ports: what both always have, and the examples of both. */
function joinResponses (main, admin) {
  if (main === undefined) return admin
  const headers = Object.entries(admin.headers ?? {}).filter(([name]) => name in (main.headers ?? {}))
  return {
    description: [...new Set([main.description, admin.description])].join(' '),
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    ...(main.content === undefined
      ? {}
      : {
          content: mapEntries(main.content, (type, content) => ({
            ...content, examples: { ...admin.content?.[type]?.examples, ...content.examples }
          }))
        })
  }
}

/** The paths of all routes; `schemas` is filled with those that have a title, which are referred to by it. */
export function buildHttpPaths (servers, schemas) {
  // Of a choice, and of a list, the parts with a title are referred to as well.
  const referParts = ({ anyOf, items, ...schema }) => ({
    ...schema, ...(anyOf === undefined ? {} : { anyOf: anyOf.map(refer) }), ...(items === undefined ? {} : { items: refer(items) })
  })
  const refer = (schema) => {
    if (schema.title === undefined) return referParts(schema)
    schemas[schema.title] = referParts(schema)
    return { $ref: `#/components/schemas/${schema.title}` }
  }
  const paths = {}
  for (const route of [...MAIN_ROUTES, ...ADMIN_ROUTES.filter(route => !isMounted(MAIN_ROUTES, route))]) {
    const path = rewritePath(route.path, name => `{${name}}`)
    const operation = toOperation(route, servers, refer)
    const onAdmin = ADMIN_ROUTES.find(other => keyOf(other) === keyOf(route) && other.secret?.kind !== route.secret?.kind)
    const joined = onAdmin === undefined ? operation : joinOperations(operation, toOperation(onAdmin, servers, refer))
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: joined }
  }
  return paths
}
