import Type from '#typebox'
import { KINDS, mapKindsBy } from '../kinds.js'
import { REFUSALS } from '../refusals.js'
import { ANY_KIND, SAMPLE_POSITION, SAMPLE_TARGET, TARGET_FORMS } from './ids.js'
import { TRACEPARENT_PATTERN } from './traceparent.js'

/**
 * What the server sends, as schemas: the types of what is written come from them, and so do the documents. A client
 * should ignore fields that it does not know.
 */

/** The kind that examples are about. */
const [FIRST] = KINDS
const FrameId = Type.Optional(Type.String({ maxLength: 64, description: 'the `id` of the frame that this answers; absent when that had none' }))
const expiresAt = Type.String({ format: 'date-time', description: 'when the token, and with it the connection, ends' })
const retryAfterMs = Type.Integer({ minimum: 0, description: 'how long until another try can succeed, in ms' })
const idLists = mapKindsBy('list', ({ claim }) => Type.Array(Type.String(), { description: `${claim} that this frame is about` }))
const position = (description: string) => Type.String({ maxLength: 64, description })
const Positions = (description: string) => Type.Record(Type.String(), position('`<epoch>:<offset>`'), { description })
const refusalName = Type.String({ enum: Object.keys(REFUSALS), description: 'what was refused and why: a name from the table of refusals' })

/** The limits that a client should know, in `welcome`. */
export const WelcomeLimitsSchema = Type.Object({
  frame_bytes: Type.Integer({ minimum: 1, description: 'largest message, in bytes' }),
  messages: Type.Integer({ minimum: 1, description: 'messages per client address in one window' }),
  message_window_s: Type.Number({ exclusiveMinimum: 0, description: 'length of that window, in seconds' }),
  connections: Type.Integer({ minimum: 1, description: 'open connections per user' }),
  filter_ids: Type.Integer({ minimum: 1, description: 'ids in one filter list' }),
  subscribes_per_s: Type.Integer({ minimum: 1, description: '`subscribe` frames a second, per connection' })
}, { description: 'what this connection may do' })

export const WelcomeFrameSchema = Type.Object({
  type: Type.Literal('welcome'),
  connection_id: Type.String({ description: 'name of this connection, as in the operator\'s log' }),
  user_id: Type.String({ description: 'who you are' }),
  node: Type.String({ description: 'the server process' }),
  expires_at: expiresAt,
  time: Type.String({ format: 'date-time', description: 'the server\'s clock as it sent this: with your own time since then it tells how long until `expires_at`, however wrong your clock is' }),
  limits: WelcomeLimitsSchema,
  history_s: Type.Optional(Type.Number({ exclusiveMinimum: 0, description: 'for how long events are kept, and known by their `id`, in seconds; absent where neither is' })),
  positions: Positions('the position of the topic that is about you, from which its events come; empty while it is not known'),
  recovered: Type.Optional(Type.Boolean({ description: 'the answer to `?since=`: `true`: every event of that topic after it follows; `false`: they are not all there any more, or the position is not known' }))
}, {
  description: 'First of all frames, once.',
  examples: [{
    type: 'welcome',
    connection_id: '290dcfb65e-1',
    user_id: 'alice',
    node: 'gate-1-4f0a1c',
    expires_at: '2026-11-21T22:26:03.000Z',
    time: '2026-11-21T22:21:03.412Z',
    limits: { frame_bytes: 1_048_576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 },
    history_s: 300,
    positions: { 'user:alice': SAMPLE_POSITION }
  }]
})

export const SubscribedFrameSchema = Type.Object({
  type: Type.Literal('subscribed'),
  id: FrameId,
  ...idLists,
  positions: Positions('the position of each topic that begins with this frame: its live events come after it'),
  recovered: Type.Optional(Type.Record(Type.String(), Type.Boolean(), { description: 'the answer to `since`, by topic. `true`: every event after that position follows, and then the live ones. `false`: they are not all there any more; fetch the state anew' }))
}, {
  description: 'Answers `subscribe`, and filters in the URL. Every event published after it arrives.',
  examples: [
    { type: 'subscribed', id: '1', ...mapKindsBy('list', ({ samples }) => samples), positions: { [SAMPLE_TARGET]: SAMPLE_POSITION } },
    { type: 'subscribed', id: '2', ...mapKindsBy('list', kind => kind === FIRST ? FIRST.samples.slice(0, 1) : []), positions: { [SAMPLE_TARGET]: SAMPLE_POSITION }, recovered: { [SAMPLE_TARGET]: true } }
  ]
})

export const UnsubscribedFrameSchema = Type.Object({ type: Type.Literal('unsubscribed'), id: FrameId, ...idLists }, {
  description: 'Answers `unsubscribe`. No event of these comes after it.',
  examples: [{ type: 'unsubscribed', id: '2', ...mapKindsBy('list', kind => kind === FIRST ? FIRST.samples.slice(-1) : []) }]
})

export const EventFrameSchema = Type.Object({
  type: Type.Literal('event'),
  topic: Type.String({ description: `${TARGET_FORMS.join(', ')}, or \`user:<user_id>\` for what is about you` }),
  event: Type.String({ minLength: 1, maxLength: 128, description: 'the event\'s name' }),
  data: Type.Unknown({ description: 'any JSON, as the back end published it' }),
  ts: Type.String({ format: 'date-time', description: 'when it was published; without a `pos`, when this server process received it' }),
  pos: Type.Optional(position('its position in the topic: absent where it was published without history')),
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 64, description: 'the publisher\'s own, by which an event that comes twice is known' })),
  trace: Type.Optional(Type.String({
    pattern: TRACEPARENT_PATTERN,
    description: 'the `traceparent` of the request that published it (W3C Trace Context); only where the gateway has `WS_TRACE_EVENTS`'
  })),
  replayed: Type.Optional(Type.Literal(true, { description: 'it had been published before you began to listen' }))
}, {
  description: `Something happened to an ${ANY_KIND} that you listen to, or to you. In order per topic, none twice.`,
  examples: [{ type: 'event', topic: SAMPLE_TARGET, event: 'status', data: { state: 'busy' }, ts: '2026-11-21T22:21:04.120Z', pos: SAMPLE_POSITION }]
})

export const GapFrameSchema = Type.Object({ type: Type.Literal('gap'), topics: Positions('where each of them goes on') }, {
  description: 'Events of these topics may be missing, although the connection stood. The next event of each comes after its position; fetch the state anew.',
  examples: [{ type: 'gap', topics: { [SAMPLE_TARGET]: SAMPLE_POSITION } }]
})

export const PositionsFrameSchema = Type.Object({ type: Type.Literal('positions'), topics: Positions('where you are in each of them') }, {
  description: 'Your positions in these topics have moved past events that your `event_types` leave out. At most every 30 s.',
  examples: [{ type: 'positions', topics: { [SAMPLE_TARGET]: SAMPLE_POSITION } }]
})

export const SentFrameSchema = Type.Object({ type: Type.Literal('sent'), id: FrameId }, {
  description: 'Answers `send`: the message is stored for the back end.',
  examples: [{ type: 'sent', id: '3' }]
})

export const PongFrameSchema = Type.Object({ type: Type.Literal('pong'), id: FrameId }, {
  description: 'Answers `ping`.',
  examples: [{ type: 'pong', id: '5' }]
})

export const RefreshedFrameSchema = Type.Object({ type: Type.Literal('refreshed'), id: FrameId, expires_at: expiresAt }, {
  description: 'Answers `refresh`: the new token is in force.',
  examples: [{ type: 'refreshed', id: '4', expires_at: '2026-11-21T22:31:03.000Z' }]
})

export const ExpiringFrameSchema = Type.Object({ type: Type.Literal('expiring'), expires_at: expiresAt }, {
  description: '30 s before the token ends; at the end the connection closes with 4401. Send `refresh`.',
  examples: [{ type: 'expiring', expires_at: '2026-11-21T22:26:03.000Z' }]
})

export const ErrorFrameSchema = Type.Object({
  type: Type.Literal('error'),
  id: FrameId,
  error: refusalName,
  message: Type.String({ description: 'for people; may change' }),
  retry_after_ms: Type.Optional(retryAfterMs)
}, {
  description: 'A frame was refused, or a right was withdrawn. The connection goes on.',
  examples: [{ type: 'error', id: '6', error: 'forbidden', message: 'not allowed, or no such thing' }]
})

export const TooManyRequestsFrameSchema = Type.Object({
  type: Type.Literal('error'),
  error: Type.Literal('Too Many Requests'),
  code: Type.Literal(429),
  retry_after_ms: retryAfterMs
}, {
  description: 'Your address sent too many messages. The connection closes with 4429 right after.',
  examples: [{ type: 'error', error: 'Too Many Requests', code: 429, retry_after_ms: 41_250 }]
})

export const ClosingFrameSchema = Type.Object({
  type: Type.Literal('closing'),
  code: Type.Integer({ minimum: 1000, maximum: 4999, description: 'the close code that follows' }),
  error: refusalName,
  reconnect_after_ms: Type.Integer({ minimum: 0, description: 'how long to wait before you come back, in ms' }),
  resume: Type.Optional(Type.String({ description: 'present it, as `?resume=` beside a token, until you are let in again, within two minutes: it spares you the limit on connection attempts' }))
}, {
  description: 'The server is about to close this connection, in an orderly way.',
  examples: [{ type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: 2310 }]
})

/** Every frame that the server sends, by the name that documents give it. */
export const SERVER_FRAMES = {
  welcome: WelcomeFrameSchema,
  subscribed: SubscribedFrameSchema,
  unsubscribed: UnsubscribedFrameSchema,
  event: EventFrameSchema,
  gap: GapFrameSchema,
  positions: PositionsFrameSchema,
  sent: SentFrameSchema,
  refreshed: RefreshedFrameSchema,
  pong: PongFrameSchema,
  expiring: ExpiringFrameSchema,
  error: ErrorFrameSchema,
  too_many_requests: TooManyRequestsFrameSchema,
  closing: ClosingFrameSchema
} as const
