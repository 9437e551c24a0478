import Type from '#typebox'
import { ANY_KIND, SAMPLE_TARGET, TARGET_PATTERN } from './ids.js'

/** What travels over Redis between the gateway and back ends; the largest parts of it are bounded where they are read. */

const userId = Type.String({ minLength: 1, maxLength: 2048, description: 'the user, as in `welcome`' })

/** One event, on the channel `ws:topic:<topic>` and in the body of `POST /v1/publish`. */
export const EventMessageSchema = Type.Object({
  event: Type.String({ minLength: 1, maxLength: 128, description: 'the event\'s name, which clients may filter by' }),
  data: Type.Unknown({ description: 'any JSON, at most 128 levels deep; it reaches the clients byte for byte' })
}, { description: 'One event.', examples: [{ event: 'status', data: { state: 'busy' } }] })

/** One entry of the stream `ws:inbound`: stream fields are text. */
export const InboundEntrySchema = Type.Object({
  connection_id: Type.String({ description: 'the connection that sent it, as in its `welcome`' }),
  user_id: Type.String({ description: 'who sent it' }),
  to: Type.String({ pattern: TARGET_PATTERN, description: `the ${ANY_KIND} that it is for` }),
  data: Type.String({ description: 'the message as JSON text, byte for byte as the client wrote it' }),
  ts: Type.String({ format: 'date-time', description: 'when the gateway took it' }),
  id: Type.Optional(Type.String({ maxLength: 64, description: 'the frame\'s `id`, where it had one: by user and id a message is known again that was sent twice' })),
  traceparent: Type.Optional(Type.String({ description: 'the frame\'s `traceparent`, where it had one' }))
}, {
  description: 'What a client sent, checked: it may read the target and has the scope `ws:send`.',
  examples: [{ connection_id: '290dcfb65e-1', user_id: 'alice', to: SAMPLE_TARGET, data: '{"text":"hello"}', ts: '2026-11-21T22:21:05.030Z', id: 'k7Xw2mPq-3' }]
})

/** On `ws:control`: ends a user's connections. */
export const DisconnectOrderSchema = Type.Object({ type: Type.Literal('disconnect'), user_id: userId }, {
  description: 'Ends a user\'s connections with 4403 `disconnected`.',
  examples: [{ type: 'disconnect', user_id: 'alice' }]
})

/** On `ws:control`: asks again what a user, or everybody, may see. */
export const RecheckOrderSchema = Type.Object({
  type: Type.Literal('recheck'),
  user_id: Type.Optional(Type.Union([Type.Null(), userId], { description: 'the user; absent or null: everybody' }))
}, {
  description: 'Rights have changed: ask again at once what open connections may see.',
  examples: [{ type: 'recheck', user_id: 'alice' }]
})
