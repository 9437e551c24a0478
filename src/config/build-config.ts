import { randomBytes } from 'node:crypto'
import type { BlockList } from 'node:net'
import { KINDS, mapKinds } from '../kinds.js'
import type { Config, TokenCarrier } from './config.js'
import type { SentinelTarget } from '../redis/open-client.js'
import { readAddress } from '../redis/read-url.js'
import type { IssuerRoute } from '../tokens/issuer-route.js'
import { hasRedis } from './check-redis-settings.js'
import { OWN_HOST, type ReadParts } from './config-rules.js'
import { databaseUrlOf } from './database-url.js'
import { NATIVE_BACKLOG, type SettingValues } from './settings.js'

const S = 1000
const DAY_S = 86_400

/** Everything that was read from the settings and found sound. */
export interface SoundParts extends ReadParts {
  readonly trustedProxies: BlockList | null
  readonly allowList: BlockList | null
  readonly insecureUntilMs: number | null
  readonly route: IssuerRoute
}

const toServer = ({ values, workers }: SoundParts): Config['server'] => ({
  host: values.HOST,
  port: values.PORT,
  tls: values.TLS_CERT_FILE === undefined || values.TLS_KEY_FILE === undefined
    ? null
    : { certFile: values.TLS_CERT_FILE, keyFile: values.TLS_KEY_FILE },
  workers,
  nodeId: values.NODE_ID ?? randomBytes(4).toString('hex'),
  maxConnections: values.WS_MAX_CONNECTIONS,
  maxBufferedBytes: values.WS_MAX_BUFFERED_BYTES,
  maxFrameBytes: values.WS_MAX_FRAME_BYTES,
  compression: values.WS_COMPRESSION === 'shared',
  pingIntervalMs: values.WS_PING_INTERVAL_S * S,
  idleMs: values.WS_IDLE_S * S,
  drainMs: values.WS_DRAIN_SECONDS * S,
  resumeKeys: values.WS_RESUME_KEY,
  warmUp: values.WS_WARM_UP,
  listenBacklog: values.LISTEN_BACKLOG === NATIVE_BACKLOG ? null : values.LISTEN_BACKLOG
})

const toUpgrade = ({ values, trustedProxies }: SoundParts): Config['upgrade'] => ({
  deadlineMs: values.WS_UPGRADE_DEADLINE_MS,
  maxPending: values.WS_MAX_PENDING_UPGRADES,
  maxFilterIds: values.WS_MAX_FILTER_IDS,
  carriers: new Set(values.WS_TOKEN_CARRIERS as TokenCarrier[]),
  anyOrigin: values.WS_ALLOWED_ORIGINS.includes('*'),
  origins: new Set(values.WS_ALLOWED_ORIGINS.filter(origin => origin !== OWN_HOST)),
  ownHost: values.WS_ALLOWED_ORIGINS.length === 0 || values.WS_ALLOWED_ORIGINS.includes(OWN_HOST),
  trustedProxies,
  proxyProtocol: values.PROXY_PROTOCOL === 'v2'
})

const toTokens = ({ values, issuers, route }: SoundParts): Config['tokens'] => ({
  issuers,
  clockToleranceMs: values.JWT_CLOCK_TOLERANCE_S * S,
  maxLifetimeMs: (values.JWT_MAX_LIFETIME_S ?? DAY_S) * S,
  reading: {
    scope: values.JWT_SCOPE_CLAIM,
    audience: values.JWT_AUDIENCE_CLAIM,
    user: values.JWT_USER_CLAIM,
    session: values.JWT_SESSION_CLAIM,
    type: values.JWT_TYP
  },
  assurance: values.JWT_ACR,
  maxAuthAgeMs: values.JWT_MAX_AUTH_AGE_S === undefined ? null : values.JWT_MAX_AUTH_AGE_S * S,
  cacheSize: values.JWT_CACHE_SIZE,
  jwks: {
    maxAgeMs: values.JWKS_MAX_AGE_S * S,
    cooldownMs: values.JWKS_COOLDOWN_S * S,
    maxStaleMs: values.JWKS_MAX_STALE_S * S,
    timeoutMs: values.JWKS_TIMEOUT_MS
  },
  introspection: { countsMs: values.JWT_INTROSPECT_S * S, perS: values.JWT_INTROSPECT_PER_S },
  route
})

const ANY_CLIENT = '*'

const toIssuerWord = (values: SettingValues): Config['issuerWord'] => {
  const named = new Set(values.OIDC_LOGOUT_AUDIENCES)
  const anyClient = named.delete(ANY_CLIENT)
  return {
    logout: values.OIDC_BACKCHANNEL_LOGOUT
      ? { audiences: named.size === 0 && !anyClient ? null : named, anyClient }
      : null,
    signals: values.SSF_AUDIENCE === undefined ? null : { audience: values.SSF_AUDIENCE, authorization: values.SSF_AUTHORIZATION ?? null }
  }
}

const toLimits = ({ values, allowList }: SoundParts): Config['limits'] => ({
  addressConnections: values.WS_IP_CONNECTIONS,
  addressWindowMs: values.WS_IP_WINDOW_S * S,
  userConnections: values.WS_USER_CONNECTIONS,
  leaseMs: values.WS_USER_LEASE_S * S,
  messages: values.WS_IP_MESSAGES,
  messageWindowMs: values.WS_MESSAGE_WINDOW_S * S,
  subscribesPerS: values.WS_SUBSCRIBES_PER_S,
  banAfter: values.WS_BAN_AFTER,
  banMs: values.WS_BAN_S * S,
  allowList,
  dryRun: values.WS_LIMITS_MODE === 'dry-run',
  onRedisDown: values.WS_LIMITS_ON_REDIS_DOWN
})

const toAccess = ({ values, issuers, accessIssuers }: SoundParts): Config['access'] => ({
  authorizer: values.WS_AUTHORIZER,
  issuers: issuers.length > 1 ? accessIssuers : null,
  databaseUrl: databaseUrlOf(values),
  pgRole: values.WS_PG_ROLE,
  relations: mapKinds(({ setting }) => values[setting]),
  supabase: values.SUPABASE_URL === undefined || values.SUPABASE_ANON_KEY === undefined
    ? null
    : { url: values.SUPABASE_URL.replace(/\/+$/, ''), anonKey: values.SUPABASE_ANON_KEY, publicTables: values.SUPABASE_PUBLIC_TABLES },
  recheckMs: values.WS_ACCESS_RECHECK_S * S,
  inbound: { maxEntries: values.WS_INBOUND_MAX, maxBytes: values.WS_INBOUND_MAX_BYTES, maxUserBytes: values.WS_INBOUND_USER_BYTES }
})

/** Processes tell the store every 25 s that a topic has listeners; some go by a clock that is late. */
const LEAST_META_S = 60

/** How much is remembered of each topic: its numbering for as long as its events and their ids count, at least. */
export const toHistory = (values: SettingValues): Config['history'] => ({
  events: new Map([
    ...KINDS.map(({ kind, historySetting }) => [kind, values[historySetting] ?? values.WS_HISTORY_EVENTS] as const),
    ['user', values.WS_HISTORY_EVENTS_USER ?? values.WS_HISTORY_EVENTS]
  ]),
  keepMs: values.WS_HISTORY_S * S,
  maxBytes: values.WS_HISTORY_BYTES,
  metaMs: Math.max(values.WS_HISTORY_META_S, values.WS_HISTORY_S, LEAST_META_S) * S
})

const toSentinel = (values: SettingValues): SentinelTarget | null => values.REDIS_SENTINELS.length === 0
  ? null
  : {
      sentinels: values.REDIS_SENTINELS.flatMap((text) => readAddress(text) ?? []),
      master: values.REDIS_SENTINEL_MASTER ?? '',
      password: values.REDIS_SENTINEL_PASSWORD ?? null
    }

const toRedis = (values: SettingValues): Config['redis'] => hasRedis(values)
  ? { url: values.REDIS_URL ?? null, clusterUrls: values.REDIS_CLUSTER_URLS, sentinel: toSentinel(values), prefix: values.REDIS_KEY_PREFIX }
  : null

/** Below the endpoint that all signals share (OTLP exporter specification, *Endpoint URLs for OTLP/HTTP*). */
const toTracing = (values: SettingValues): Config['tracing'] => ({
  tracesUrl: values.OTEL_EXPORTER_OTLP_ENDPOINT === undefined ? null : `${values.OTEL_EXPORTER_OTLP_ENDPOINT.replace(/\/+$/, '')}/v1/traces`,
  showsInEvents: values.WS_TRACE_EVENTS
})

/** Gives settings the shape in which the process uses them: durations in ms, one part for each part of the gateway. */
export function buildConfig (parts: SoundParts): Config {
  const { values, insecureUntilMs } = parts
  return {
    server: toServer(parts),
    admin: { host: values.ADMIN_HOST, port: values.ADMIN_PORT, tokens: values.ADMIN_TOKEN, publishKeys: values.PUBLISH_KEY },
    upgrade: toUpgrade(parts),
    tickets: { publicUrl: values.PUBLIC_URL?.replace(/\/+$/, '') ?? null, anyAddress: values.WS_TICKET_ADDRESS === 'any' },
    tokens: toTokens(parts),
    issuerWord: toIssuerWord(values),
    limits: toLimits(parts),
    redis: toRedis(values),
    access: toAccess(parts),
    history: toHistory(values),
    tracing: toTracing(values),
    plainUserPublish: values.WS_PLAIN_USER_PUBLISH,
    insecureUntilMs,
    log: { level: values.LOG_LEVEL, file: values.LOG_FILE ?? null, fileMaxMb: values.LOG_FILE_MAX_MB, fileKeep: values.LOG_FILE_KEEP }
  }
}
