import Type from '#typebox'
import { KINDS, mapKindsBy } from '../kinds.js'
import { andList, orList } from '../list-words.js'
import { ANY_KIND, ID_PATTERN, SAMPLE_POSITION, SAMPLE_TARGET, TARGET_FORMS, TARGET_PATTERN } from './ids.js'
import type { SERVER_FRAMES, WelcomeLimitsSchema } from './server-frames.js'
import { TRACEPARENT_PATTERN } from './traceparent.js'

/** Subprotocol of the frames below. */
export const SUBPROTOCOL = 'portcullis.v1'

/** The kind that examples are about. */
const [FIRST] = KINDS
const Strict = { additionalProperties: false }
const frameId = (description: string) => Type.Optional(Type.String({ maxLength: 64, description }))
const FrameId = frameId('what you call this frame; comes back in the answer')
const Ids = Type.Array(Type.String({ pattern: ID_PATTERN }), { minItems: 1, maxItems: 10_000 })
/** A list of ids, or everything that this user may see now. */
const idsOrAll = (description: string) => Type.Optional(Type.Union([Ids, Type.Tuple([Type.Literal('*')]), Type.Literal('*')], { description }))

export const SubscribeFrameSchema = Type.Object({
  type: Type.Literal('subscribe'),
  id: FrameId,
  ...mapKindsBy('list', ({ claim }) => idsOrAll(`${claim} to listen to from now on; \`"*"\`: all that you may see now`)),
  event_types: idsOrAll('names of the events to get, on all topics of the connection; `"*"`: all'),
  since: Type.Optional(Type.Record(Type.String(), Type.String(), {
    maxProperties: 1000,
    description: 'for topics of these lists, the position up to which you have had their events: what came after is replayed, or `recovered` says that it cannot be'
  })),
  last: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'how many of the newest events to replay, of each topic that `since` does not name; at most what the server keeps' }))
}, {
  ...Strict,
  description: `Listen to more ${andList(KINDS.map(({ claim }) => claim))}, or narrow the events. One of the lists is needed; one id that you may not see refuses the whole frame.`,
  examples: [{ type: 'subscribe', id: '1', ...mapKindsBy('list', ({ samples }) => samples) }, { type: 'subscribe', [FIRST.list]: '*', event_types: ['status'] }, { type: 'subscribe', id: '2', [FIRST.list]: FIRST.samples.slice(0, 1), since: { [SAMPLE_TARGET]: SAMPLE_POSITION } }]
})
export const UnsubscribeFrameSchema = Type.Object({
  type: Type.Literal('unsubscribe'),
  id: FrameId,
  ...mapKindsBy('list', ({ claim }) => idsOrAll(`${claim} to listen to no longer; \`"*"\`: all`))
}, { ...Strict, description: 'Stop listening.', examples: [{ type: 'unsubscribe', id: '2', [FIRST.list]: FIRST.samples.slice(-1) }] })
export const SendFrameSchema = Type.Object({
  type: Type.Literal('send'),
  id: frameId('what you call this message; comes back in the answer, and reaches the back end, which knows a repeated message by it: no other message of this user ever has the same'),
  to: Type.String({ pattern: TARGET_PATTERN, description: `the ${ANY_KIND} that it is for: ${orList(TARGET_FORMS)}` }),
  data: Type.Unknown({ description: 'any JSON; it reaches the back end byte for byte' }),
  traceparent: Type.Optional(Type.String({
    pattern: TRACEPARENT_PATTERN,
    description: 'the trace that it belongs to (W3C Trace Context); it reaches the back end beside the message'
  }))
}, {
  ...Strict,
  description: 'A message for the back end. Needs read access to the target and the scope `ws:send` in the token.',
  examples: [{ type: 'send', id: 'k7Xw2mPq-3', to: SAMPLE_TARGET, data: { text: 'hello' } }]
})
export const RefreshFrameSchema = Type.Object({
  type: Type.Literal('refresh'),
  id: FrameId,
  token: Type.Optional(Type.String({ minLength: 1, description: 'a new token of the same user and issuer, of at most 12000 characters' })),
  ticket: Type.Optional(Type.String({ minLength: 1, maxLength: 256, description: 'in place of the token: a ticket for it' }))
}, {
  ...Strict,
  oneOf: [{ required: ['token'] }, { required: ['ticket'] }],
  description: 'Replace the token before it ends. A bad one, or another user\'s, ends the connection with 4401.',
  examples: [{ type: 'refresh', id: '4', token: '<jwt>' }]
})
export const PingFrameSchema = Type.Object({ type: Type.Literal('ping'), id: FrameId }, {
  ...Strict,
  description: 'Ask for a `pong`, to measure the way there and back. It counts as a message: WebSocket pings, which do not, keep a connection alive.',
  examples: [{ type: 'ping', id: '5' }]
})

/** Every frame that a client may send, by its type. */
export const CLIENT_FRAMES = {
  subscribe: SubscribeFrameSchema,
  unsubscribe: UnsubscribeFrameSchema,
  send: SendFrameSchema,
  refresh: RefreshFrameSchema,
  ping: PingFrameSchema
} as const

export type SubscribeFrame = Type.Static<typeof SubscribeFrameSchema>
export type UnsubscribeFrame = Type.Static<typeof UnsubscribeFrameSchema>
/** As it was read: `data` is the JSON itself, a part of the message that it came in, and dies with it. */
export type SendFrame = Omit<Type.Static<typeof SendFrameSchema>, 'data'> & { readonly data: Buffer }
export type RefreshFrame = Type.Static<typeof RefreshFrameSchema>
export type PingFrame = Type.Static<typeof PingFrameSchema>
export type ClientFrame = SubscribeFrame | UnsubscribeFrame | SendFrame | RefreshFrame | PingFrame

/** As it is written: never changed on the way, and `undefined` is a field left out. */
type Written<T> = T extends ReadonlyArray<infer E>
  ? ReadonlyArray<Written<E>>
  : T extends object
    ? { readonly [K in keyof T]: object extends Pick<T, K> ? Written<T[K]> | undefined : Written<T[K]> }
    : T

/** The limits that a client should know, in `welcome`. */
export type WelcomeLimits = Written<Type.Static<typeof WelcomeLimitsSchema>>
export type ServerFrame = Written<Type.Static<typeof SERVER_FRAMES[keyof typeof SERVER_FRAMES]>>
