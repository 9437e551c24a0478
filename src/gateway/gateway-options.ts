import type { Authorizer } from '../access/authorizer.js'
import type { Bus, OnBusEvent } from '../bus/bus.js'
import type { InboundMessage } from '../bus/inbound.js'
import type { Config } from '../config/config.js'
import type { Route } from '../http/route.js'
import type { Limiter } from '../limits/limiter.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import type { LogOutput } from './process-log.js'

/** What a client sent, as a program gets it. */
export interface ClientMessage extends Omit<InboundMessage, 'data'> {
  readonly data: unknown
  /** The same as the client wrote it: with the digits that a number has beyond 2^53. */
  readonly json: string
}

/** Takes what clients send. When it throws, the message fails; with Redis it is stored already, and the log has a `fault`. */
export type OnInbound = (message: ClientMessage) => void | Promise<void>

/** Parts of the program's own, by their ports. The gateway closes them when it stops, or when its start fails. */
export interface GatewayParts {
  /** Decides what a user may see. With one that asks a back end, open connections keep their token for the re-checks. */
  readonly authorizer?: Authorizer
  /** Tells whose a token is. The settings still name an issuer. */
  readonly tokens?: TokenVerifier
  /** Decides the limits, also while Redis is away. It keeps no records: who survives a killed process writes no lines for it. */
  readonly limiter?: Limiter
  /** Carries events between processes. `onEvent` is to be called for each event of a topic that is subscribed. */
  readonly bus?: (onEvent: OnBusEvent) => Bus
}

/** Environment variables by name, as docs/SETTINGS.md lists them: all that this gateway reads. */
export type GatewaySettings = Readonly<Record<string, string | undefined>>

export interface GatewayExtras {
  readonly parts?: GatewayParts
  /** Takes the log's lines instead of standard output. */
  readonly log?: LogOutput
  /** Called for each message that a client's `send` was confirmed for: instead of a stream without Redis, beside it with Redis. */
  readonly onInbound?: OnInbound
  /** Further endpoints on the main port. */
  readonly routes?: readonly Route[]
  /** Number of this process among `WORKERS`, whose supervisor has the admin port and the log file. Absent: the only process. */
  readonly worker?: number
  /** Other workers take connections on the port of this one: it warms up before it joins them, as no client is to meet cold code for it. */
  readonly othersServe?: boolean
  /**
   * Has the code of this process compiled before it is ready; called once, unless `WS_WARM_UP` is off. Resolves soon after `leaving` is
   * aborted, and never rejects. The process listens meanwhile, unless `othersServe`: who comes is served, only slower.
   */
  readonly warmUp?: (config: Config, leaving: AbortSignal) => Promise<void>
  /** Development mode, in which the older binding is at home: else its start is a warning. */
  readonly development?: boolean
}

/** Settings as text, or a `Config` that was made of some. */
export type GatewayOptions = GatewayExtras & ({ readonly settings: GatewaySettings } | { readonly config: Config })
