/** Subprotocol of the frames below. */
export const SUBPROTOCOL = 'portcullis.v1'

/** Longest frame but `send` that a gateway takes, in bytes, whatever its limit says. */
export const MAX_FRAME_BYTES = 262_144

/** Ids that the gateway knows, or everything that this user may see now. */
export type Ids = readonly string[] | '*'

/** Positions by topic: where an event stands in its topic, `<epoch>:<offset>`. */
export type PositionsByTopic = Readonly<Record<string, string>>

export interface SubscribeFrame {
  readonly type: 'subscribe'
  readonly id?: string
  readonly agent_ids?: Ids
  readonly task_ids?: Ids
  readonly event_types?: Ids
  /** What was published after these is asked for. Gateways without history take neither this nor `last`. */
  readonly since?: PositionsByTopic
  /** The newest events of each topic that has no `since`. */
  readonly last?: number
}
export type ClientFrame =
  | SubscribeFrame
  | { readonly type: 'unsubscribe', readonly id?: string, readonly agent_ids?: Ids, readonly task_ids?: Ids }
  | { readonly type: 'send', readonly id?: string, readonly to: string, readonly data: unknown }
  | { readonly type: 'refresh', readonly id?: string, readonly token?: string, readonly ticket?: string }
  | { readonly type: 'ping', readonly id?: string }

/** The limits that the gateway tells in `welcome`. */
export interface WelcomeLimits {
  readonly frame_bytes: number
  readonly messages: number
  readonly message_window_s: number
  readonly connections: number
  readonly filter_ids: number
  readonly subscribes_per_s: number
}

/** First frame of every connection; times are ISO 8601, of the gateway's clock. */
export interface WelcomeFrame {
  readonly type: 'welcome'
  readonly connection_id: string
  readonly user_id: string
  readonly node: string
  readonly expires_at: string
  /** When the gateway sent it; gateways before this field leave it out. */
  readonly time: string | undefined
  readonly limits: WelcomeLimits
  /** For how long events are known by their publisher's `id`; gateways that know no ids leave it out. */
  readonly history_s?: number | undefined
  /** Where events of the user's own topic begin; gateways without history leave it out. */
  readonly positions: PositionsByTopic | undefined
  /** The answer to `?since=`. */
  readonly recovered?: boolean | undefined
}

interface Listing { readonly id?: string | undefined, readonly agent_ids: readonly string[], readonly task_ids: readonly string[] }
export interface SubscribedFrame extends Listing {
  readonly type: 'subscribed'
  /** Where live events of the topics begin; gateways without history leave it out. */
  readonly positions: PositionsByTopic | undefined
  /** The answer to `since`: whether all that was missed follows. */
  readonly recovered?: Readonly<Record<string, boolean>> | undefined
}
export interface UnsubscribedFrame extends Listing { readonly type: 'unsubscribed' }
interface Acknowledgement { readonly id?: string | undefined }
export interface SentFrame extends Acknowledgement { readonly type: 'sent' }
export interface PongFrame extends Acknowledgement { readonly type: 'pong' }
export interface RefreshedFrame extends Acknowledgement { readonly type: 'refreshed', readonly expires_at: string }
export interface ExpiringFrame { readonly type: 'expiring', readonly expires_at: string }
/** Events of these may be missing although the connection stood; the next one comes after the position. */
export interface GapFrame { readonly type: 'gap', readonly topics: PositionsByTopic }
/** So far these have come with events that are not wanted, or that are none. */
export interface PositionsFrame { readonly type: 'positions', readonly topics: PositionsByTopic }
export interface ClosingFrame {
  readonly type: 'closing'
  readonly code: number
  readonly error: string
  readonly reconnect_after_ms: number
  readonly resume?: string
}
export type ErrorFrame =
  | { readonly type: 'error', readonly id?: string | undefined, readonly error: string, readonly message: string, readonly retry_after_ms?: number }
  | { readonly type: 'error', readonly error: 'Too Many Requests', readonly code: 429, readonly retry_after_ms: number }

/** What a back end publishes: one member per event name when `Events` names them. */
export type EventFrame<Events extends object = Record<string, unknown>> = {
  [Name in keyof Events & string]: {
    readonly type: 'event'
    readonly topic: string
    readonly event: Name
    readonly data: Events[Name]
    readonly ts: string
    /** Its place in the topic; absent where the back end published without history. */
    readonly pos?: string | undefined
    /** The publisher's own. */
    readonly id?: string | undefined
    /** The publisher's `traceparent` (W3C Trace Context); only from gateways that show it. */
    readonly trace?: string | undefined
    /** It had been published before this connection listened. */
    readonly replayed?: true | undefined
  }
}[keyof Events & string]

export type ServerFrame<Events extends object = Record<string, unknown>> =
  | WelcomeFrame | SubscribedFrame | UnsubscribedFrame | EventFrame<Events> | SentFrame | PongFrame | RefreshedFrame
  | ExpiringFrame | ErrorFrame | ClosingFrame | GapFrame | PositionsFrame

export const SERVER_FRAME_TYPES = [
  'welcome', 'subscribed', 'unsubscribed', 'event', 'sent', 'pong', 'refreshed', 'expiring', 'error', 'closing', 'gap', 'positions'
] as const satisfies ReadonlyArray<ServerFrame['type']>

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null
const isKnown = (type: unknown): boolean => (SERVER_FRAME_TYPES as readonly unknown[]).includes(type)

/** Reads one frame of the gateway; null for what this version does not know, which later versions of it may send. */
export function readFrame (data: unknown): ServerFrame | null {
  if (typeof data !== 'string') return null
  try {
    const frame = JSON.parse(data) as { type?: unknown, limits?: unknown, topics?: unknown } | null
    if (!isObject(frame) || !isKnown(frame.type)) return null
    if (frame.type === 'welcome' && !isObject(frame.limits)) return null
    if ((frame.type === 'gap' || frame.type === 'positions') && !isObject(frame.topics)) return null
    return frame as ServerFrame
  } catch {
    return null
  }
}
