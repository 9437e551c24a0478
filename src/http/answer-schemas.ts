import Type from '#typebox'
import { STEP_NAMES } from '../explain/explanation.js'
import { REFUSALS } from '../refusals.js'

/** Bodies of HTTP answers, for the documents; a test holds them to what the server really answers. A `title` names a component. */

/** Body of `POST /v1/tickets`. */
export const TicketAnswerSchema = Type.Object({
  ticket: Type.String({ description: 'stands for the token, once' }),
  expires_in: Type.Integer({ minimum: 1, description: 'for how many seconds' })
}, { title: 'Ticket' })

export const RefusalBodySchema = Type.Object({
  error: Type.String({ description: 'a name from the table of refusals, or of this endpoint' }),
  message: Type.String({ description: 'for people; may change' }),
  retry_after_s: Type.Optional(Type.Integer({ minimum: 1, description: 'as the `Retry-After` header' }))
}, { title: 'Refusal', description: 'Why not.' })

export const HealthSchema = Type.Object({
  status: Type.Literal('ok'),
  version: Type.String({ description: 'the release that runs' })
}, { title: 'Health', description: 'The process lives.', examples: [{ status: 'ok', version: '1.0.0' }] })

export const ReadinessSchema = Type.Object({
  status: Type.Enum(['ready', 'not_ready']),
  reasons: Type.Array(Type.Enum(['starting', 'draining', 'no_issuer_keys', 'redis', 'redis_rights', 'control_channel', 'access_unsafe', 'descriptors']), { description: 'why traffic should not come here; empty when ready' }),
  issuers_without_keys: Type.Array(Type.String(), { description: 'names of the issuers whose tokens cannot be checked now' }),
  workers_missing: Type.Optional(Type.Array(Type.Integer(), { description: 'with several `WORKERS`: numbers of those that take no connections now; at a start it is not ready while there are any' }))
}, { title: 'Readiness', description: 'Whether traffic may be sent here.', examples: [{ status: 'ready', reasons: [], issuers_without_keys: [] }] })

export const ListedConnectionSchema = Type.Object({
  connection_id: Type.String(),
  user_id: Type.String(),
  issuer: Type.String({ description: 'configured name of the issuer' }),
  node: Type.String({ description: 'the process that holds it' }),
  ip: Type.String(),
  path: Type.String(),
  opened_at: Type.String({ format: 'date-time' }),
  expires_at: Type.String({ format: 'date-time' }),
  topics: Type.Integer({ minimum: 0, description: 'topics it listens to, the user\'s own among them' }),
  messages_in: Type.Integer({ minimum: 0 }),
  messages_out: Type.Integer({ minimum: 0 })
}, { description: 'One open connection.' })

const next = Type.Optional(Type.String({ description: '`after` for the next page; absent: nothing follows' }))

export const ConnectionListSchema = Type.Object({
  connections: Type.Array(ListedConnectionSchema),
  next,
  missing_nodes: Type.Optional(Type.Integer({ minimum: 1, description: 'processes that did not answer in time: their connections are not there' }))
}, {
  title: 'ConnectionList',
  description: 'Open connections, over all processes that answered.',
  examples: [{
    connections: [{
      connection_id: '290dcfb65e-1',
      user_id: 'alice',
      issuer: 'oidc',
      node: 'gate-1-4f0a1c',
      ip: '198.51.100.7',
      path: '/ws',
      opened_at: '2026-11-21T22:21:03.000Z',
      expires_at: '2026-11-21T22:26:03.000Z',
      topics: 3,
      messages_in: 12,
      messages_out: 40
    }]
  }]
})

const expiresAt = Type.String({ format: 'date-time', description: 'when it ends by itself' })

export const BanListSchema = Type.Object({
  bans: Type.Array(Type.Object({ address: Type.String({ description: 'an IPv6 address as its /64' }), expires_at: expiresAt })), next
}, {
  title: 'BanList',
  description: 'Banned addresses, of all processes.',
  examples: [{ bans: [{ address: '198.51.100.7', expires_at: '2026-11-21T22:26:03.000Z' }], next: '1795299963000-1' }]
})

const revokedId = (description: string) => Type.Optional(Type.String({ description }))

export const RevocationListSchema = Type.Object({
  revocations: Type.Array(Type.Object({
    jti: revokedId('one token'),
    sid: revokedId('one session'),
    sub: revokedId('all tokens of one user'),
    issuer: revokedId('configured name of the issuer; absent: any'),
    issued_before: Type.Optional(Type.String({ format: 'date-time', description: 'only tokens issued before; absent: all' })),
    expires_at: expiresAt
  })),
  next
}, {
  title: 'RevocationList',
  description: 'Revoked tokens, sessions and users, of all processes.',
  examples: [{ revocations: [{ sub: 'mallory', issued_before: '2026-11-21T22:21:03.000Z', expires_at: '2026-11-22T22:31:03.000Z' }] }]
})

const count = (description: string) => Type.Integer({ minimum: 0, description })
const decidedBy = (description: string) => Type.Optional(Type.String({ description }))

/** Body of `POST /v1/explain`. */
export const ExplanationSchema = Type.Object({
  outcome: Type.Enum(['accepted', ...Object.keys(REFUSALS)], { description: '`accepted`, or the name of the refusal' }),
  steps: Type.Array(Type.Object({
    step: Type.Enum([...STEP_NAMES]),
    verdict: Type.Enum(['pass', 'fail', 'not_reached']),
    because: Type.String({ description: 'for people; may change' }),
    setting: decidedBy('the setting that decided'),
    claim: decidedBy('the claim that decided')
  }), { description: 'in the order in which they decide' }),
  limits: Type.Object({
    address: Type.Optional(Type.Object({
      used: count('attempts that count now'), limit: count('`WS_IP_CONNECTIONS`'), reset_s: count('seconds until the window has room for one more')
    }, { description: 'absent without an address, for one on the allow list, and where it cannot be read' })),
    user: Type.Optional(Type.Object({
      used: count('connections that are open'), limit: count('`WS_USER_CONNECTIONS`')
    }, { description: 'absent while it is not known who it is, and where it cannot be read' }))
  })
}, {
  title: 'Explanation',
  description: 'What an upgrade would be answered now, and why.',
  examples: [{
    outcome: 'ip_rate_limited',
    steps: STEP_NAMES.map((step, i) => ({ step, verdict: i < 2 ? 'pass' : i === 2 ? 'fail' : 'not_reached', because: '…' })),
    limits: { address: { used: 10, limit: 10, reset_s: 24 } }
  }]
})

const PUBLISHED = { accepted: true, pos: '1764280000000000-1f0e9c2d:17' }

export const PublishedSchema = Type.Object({
  accepted: Type.Literal(true),
  pos: Type.Optional(Type.String({ maxLength: 64, description: 'its position in its topic, `<epoch>:<offset>`; absent with a bus of the program\'s own, which gives none' })),
  duplicate: Type.Optional(Type.Literal(true, { description: 'it had been published before under this id, at `pos`, and was not again' }))
}, { title: 'Published', description: 'The event is published.', examples: [PUBLISHED] })

const NotPublishedSchema = Type.Object({
  accepted: Type.Literal(false),
  error: Type.Enum(['bad_request', 'unavailable'], { description: 'a name from the table of refusals' }),
  message: Type.String({ description: 'for people; may change' })
}, { description: 'Why not. After `unavailable` ask again; `message` says whether it may have been published all the same.' })

/** Of a request with one event, or with several. */
export const PublishAnswerSchema = Type.Union([
  PublishedSchema,
  Type.Array(Type.Union([PublishedSchema, NotPublishedSchema]), { description: 'the answers in the order of the request' })
], {
  title: 'PublishAnswer',
  description: 'What became of the event, or of each of several.',
  examples: [PUBLISHED, [{ ...PUBLISHED, duplicate: true }, { accepted: false, error: 'bad_request', message: 'what is wrong' }]]
})
