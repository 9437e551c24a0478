import type { BlockList } from 'node:net'
import type { InboundBounds } from '../bus/inbound.js'
import type { HistorySettings } from '../history/history.js'
import type { ByKind } from '../kinds.js'
import type { LimitSettings } from '../limits/limiter.js'
import type { RedisPlace } from '../redis/open-client.js'
import type { TokenSettings } from '../tokens/issuer-config.js'

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
export type TokenCarrier = 'query' | 'header' | 'protocol'

/** What the process runs on: every setting checked, converted to ms and structure. Immutable. */
export interface Config {
  readonly server: {
    readonly host: string
    readonly port: number
    readonly tls: { readonly certFile: string, readonly keyFile: string } | null
    readonly workers: number
    /** `<NODE_ID>` of the host; a process adds worker and boot. */
    readonly nodeId: string
    readonly maxConnections: number
    readonly maxBufferedBytes: number
    readonly maxFrameBytes: number
    readonly compression: boolean
    readonly pingIntervalMs: number
    /** 0: never. */
    readonly idleMs: number
    readonly drainMs: number
    /** Of resume passes: the first makes them, each is believed; none: one is kept in Redis. */
    readonly resumeKeys: readonly string[]
    /** Compile what serves before the process is ready. */
    readonly warmUp: boolean
    /** Connections that the kernel may hold; null: what the native layer asks for by itself. */
    readonly listenBacklog: number | null
  }
  readonly admin: {
    readonly host: string
    readonly port: number
    /** Each counts; none: unset. */
    readonly tokens: readonly string[]
    readonly publishKeys: readonly string[]
  }
  readonly upgrade: UpgradeSettings
  readonly tickets: TicketSettings
  readonly tokens: TokenSettings
  readonly issuerWord: IssuerWordSettings
  readonly limits: LimitSettings & {
    readonly subscribesPerS: number
    readonly banAfter: number
    readonly banMs: number
    readonly allowList: BlockList | null
    readonly dryRun: boolean
    readonly onRedisDown: 'local' | 'open' | 'closed'
  }
  /** Null: none, one process alone. */
  readonly redis: RedisSettings | null
  readonly access: AccessSettings
  readonly history: HistorySettings
  readonly tracing: TracingSettings
  /** Back ends publish to users' own topics by PUBLISH. */
  readonly plainUserPublish: boolean
  /** Break-glass: connections without a token are let in until then. */
  readonly insecureUntilMs: number | null
  readonly log: { readonly level: LogLevel, readonly file: string | null, readonly fileMaxMb: number, readonly fileKeep: number }
}

/** What is told of traces (OpenTelemetry). */
export interface TracingSettings {
  /** Where spans are sent, `http://…/v1/traces`; null: none are made. */
  readonly tracesUrl: string | null
  /** Events carry the `traceparent` of the request that published them. */
  readonly showsInEvents: boolean
}

/** What issuers may tell beside tokens. */
export interface IssuerWordSettings {
  /** Null: no logout is heard. `audiences`: null: the issuer's own. */
  readonly logout: { readonly audiences: ReadonlySet<string> | null, readonly anyClient: boolean } | null
  /** Null: no signal is heard. `authorization`: what the header must be; null: anything. */
  readonly signals: { readonly audience: string, readonly authorization: string | null } | null
}

/** Where Redis is, and what precedes every name there. */
export interface RedisSettings extends Required<RedisPlace> { readonly prefix: string }

/** How tickets are given and taken. */
export interface TicketSettings {
  /** What proofs must name, without a slash at its end; null: what the request names. */
  readonly publicUrl: string | null
  /** A ticket opens from other addresses as well. */
  readonly anyAddress: boolean
}

export interface UpgradeSettings {
  readonly deadlineMs: number
  readonly maxPending: number
  readonly maxFilterIds: number
  readonly carriers: ReadonlySet<TokenCarrier>
  readonly anyOrigin: boolean
  /** Exact, those of apps included. */
  readonly origins: ReadonlySet<string>
  /** The host that was asked may be the origin as well. */
  readonly ownHost: boolean
  readonly trustedProxies: BlockList | null
  readonly proxyProtocol: boolean
  /** In development mode: `Host` must name loopback on every request, on both ports. */
  readonly loopbackHostOnly?: true
}

export interface AccessSettings {
  readonly authorizer: 'claims' | 'postgres' | 'supabase'
  /** With several issuers: those whose users have agents and tasks; with a database exactly one. Null: there is only one issuer. */
  readonly issuers: ReadonlySet<string> | null
  readonly databaseUrl: string | null
  readonly pgRole: string
  /** The table or view of each kind. */
  readonly relations: ByKind<string>
  /** `publicTables`: those of the relations that nobody in particular may see on purpose. */
  readonly supabase: { readonly url: string, readonly anonKey: string, readonly publicTables: readonly string[] } | null
  readonly recheckMs: number
  readonly inbound: InboundBounds
}
