import Type from 'typebox'

/** Subprotocol of the frames below. */
export const SUBPROTOCOL = 'portcullis.v1'

/** Ids of agents, tasks and event types: 1 to 128 of these characters, so that none can shape a key, a query or a line. */
export const ID_PATTERN = '^[A-Za-z0-9._:-]{1,128}$'

const Strict = { additionalProperties: false }
/** What the client calls this frame; comes back in the answer. */
const FrameId = Type.Optional(Type.String({ maxLength: 64 }))
const Ids = Type.Array(Type.String({ pattern: ID_PATTERN }), { minItems: 1, maxItems: 10_000 })
/** A list of ids, or everything that this user may see now. */
const IdsOrAll = Type.Union([Ids, Type.Tuple([Type.Literal('*')]), Type.Literal('*')])

export const SubscribeFrameSchema = Type.Object({
  type: Type.Literal('subscribe'), id: FrameId, agent_ids: Type.Optional(IdsOrAll), task_ids: Type.Optional(IdsOrAll), event_types: Type.Optional(IdsOrAll)
}, Strict)
export const UnsubscribeFrameSchema = Type.Object({
  type: Type.Literal('unsubscribe'), id: FrameId, agent_ids: Type.Optional(IdsOrAll), task_ids: Type.Optional(IdsOrAll)
}, Strict)
export const SendFrameSchema = Type.Object({
  type: Type.Literal('send'), id: FrameId, to: Type.String({ pattern: '^(agent|task):[A-Za-z0-9._:-]{1,128}$' }), data: Type.Unknown()
}, Strict)
export const RefreshFrameSchema = Type.Object({ type: Type.Literal('refresh'), id: FrameId, token: Type.String({ minLength: 1, maxLength: 16_384 }) }, Strict)
export const PingFrameSchema = Type.Object({ type: Type.Literal('ping'), id: FrameId }, Strict)

export type SubscribeFrame = Type.Static<typeof SubscribeFrameSchema>
export type UnsubscribeFrame = Type.Static<typeof UnsubscribeFrameSchema>
export type SendFrame = Type.Static<typeof SendFrameSchema>
export type RefreshFrame = Type.Static<typeof RefreshFrameSchema>
export type PingFrame = Type.Static<typeof PingFrameSchema>
export type ClientFrame = SubscribeFrame | UnsubscribeFrame | SendFrame | RefreshFrame | PingFrame

/** The limits that a client should know, in `welcome`. */
export interface WelcomeLimits {
  readonly frame_bytes: number
  readonly messages: number
  readonly message_window_s: number
  readonly connections: number
  readonly filter_ids: number
  readonly subscribes_per_s: number
}

export type ServerFrame =
  | { readonly type: 'welcome', readonly connection_id: string, readonly user_id: string, readonly node: string, readonly expires_at: string, readonly limits: WelcomeLimits }
  | { readonly type: 'subscribed' | 'unsubscribed', readonly id?: string | undefined, readonly agent_ids: readonly string[], readonly task_ids: readonly string[] }
  | { readonly type: 'event', readonly topic: string, readonly event: string, readonly data: unknown, readonly ts: string }
  | { readonly type: 'sent' | 'pong', readonly id?: string | undefined }
  | { readonly type: 'refreshed', readonly id?: string | undefined, readonly expires_at: string }
  | { readonly type: 'expiring', readonly expires_at: string }
  | { readonly type: 'error', readonly id?: string | undefined, readonly error: string, readonly message: string, readonly retry_after_ms?: number }
  | { readonly type: 'error', readonly error: 'Too Many Requests', readonly code: 429, readonly retry_after_ms: number }
  | { readonly type: 'closing', readonly code: number, readonly error: string, readonly reconnect_after_ms: number, readonly resume?: string }
