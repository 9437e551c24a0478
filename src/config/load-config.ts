import { randomBytes } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { Config, TokenCarrier } from './config.js'
import { readIssuers } from './read-issuers.js'
import { readNetworks } from './networks.js'
import { readSettings, type SettingError } from './read-settings.js'
import { SETTINGS, type SettingName, type SettingValues } from './settings.js'

const DAY_MS = 86_400_000
const S = 1000

/** The process refuses to start: every wrong or missing setting, each with its reason. */
export class ConfigError extends Error {
  constructor (readonly errors: readonly SettingError[]) {
    super(`${errors.length} wrong or missing setting${errors.length === 1 ? '' : 's'}:\n` +
      errors.map(error => `  ${error.setting}: ${error.reason}`).join('\n'))
  }
}

type Report = (setting: SettingName, reason: string) => void

function readInsecureUntil (values: SettingValues, nowMs: number, report: Report): number | null {
  const until = values.ALLOW_INSECURE_WS_UNTIL
  if (!values.ALLOW_INSECURE_WS) {
    if (until !== undefined) report('ALLOW_INSECURE_WS', 'must be true for ALLOW_INSECURE_WS_UNTIL to mean anything')
    return null
  }
  if (until === undefined) {
    report('ALLOW_INSECURE_WS_UNTIL', 'is needed with ALLOW_INSECURE_WS=true: break-glass must end by itself')
    return null
  }
  const untilMs = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(until) ? Date.parse(until) : NaN
  if (Number.isNaN(untilMs)) report('ALLOW_INSECURE_WS_UNTIL', 'must be an ISO time with its zone, such as 2030-01-31T12:00:00Z')
  else if (untilMs > nowMs + DAY_MS) report('ALLOW_INSECURE_WS_UNTIL', 'must be at most 24 h ahead')
  else if (untilMs <= nowMs) report('ALLOW_INSECURE_WS_UNTIL', 'is in the past')
  return untilMs
}

function checkOrigins (values: SettingValues, report: Report): void {
  const origins = values.WS_ALLOWED_ORIGINS
  if (origins.includes('*')) {
    if (origins.length > 1) report('WS_ALLOWED_ORIGINS', '`*` stands alone: with it the other origins mean nothing')
    if (values.ALLOW_INSECURE_WS) report('WS_ALLOWED_ORIGINS', '`*` together with ALLOW_INSECURE_WS would let any web page connect through its visitors')
    return
  }
  for (const origin of origins) {
    if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
      report('WS_ALLOWED_ORIGINS', `${JSON.stringify(origin.slice(0, 80))} is no origin; write scheme://host[:port] in lower case, without a path`)
    }
  }
}

function checkFile (setting: SettingName, file: string | undefined, report: Report): void {
  if (file === undefined) return
  try { accessSync(file, constants.R_OK) } catch { report(setting, 'the file cannot be read') }
}

function checkServer (values: SettingValues, workers: number, report: Report): void {
  const hasRedis = values.REDIS_URL !== undefined || values.REDIS_CLUSTER_URLS.length > 0
  if (workers > 256) report('WORKERS', 'must be at most 256')
  if (workers > 1 && !hasRedis) report('WORKERS', 'more than one process needs REDIS_URL or REDIS_CLUSTER_URLS: limits in memory would count each process alone')
  if (workers > 1 && values.PORT === 0) report('PORT', 'must be given with several processes: they share it')
  if (values.REDIS_URL !== undefined && values.REDIS_CLUSTER_URLS.length > 0) report('REDIS_CLUSTER_URLS', 'stands instead of REDIS_URL, not beside it')
  for (const url of [values.REDIS_URL ?? [], values.REDIS_CLUSTER_URLS].flat()) {
    if (!/^rediss?:\/\//.test(url) || !URL.canParse(url)) report(values.REDIS_URL === undefined ? 'REDIS_CLUSTER_URLS' : 'REDIS_URL', 'must be a redis:// or rediss:// URL')
  }
  if (values.ADMIN_PORT !== 0 && values.ADMIN_PORT === values.PORT) report('ADMIN_PORT', 'must differ from PORT: the admin port is not the main port')
  if (values.ADMIN_TOKEN !== undefined && values.ADMIN_TOKEN === values.PUBLISH_KEY) report('PUBLISH_KEY', 'must differ from ADMIN_TOKEN')
  if ((values.TLS_CERT_FILE === undefined) !== (values.TLS_KEY_FILE === undefined)) report('TLS_KEY_FILE', 'and TLS_CERT_FILE go together')
  checkFile('TLS_CERT_FILE', values.TLS_CERT_FILE, report)
  checkFile('TLS_KEY_FILE', values.TLS_KEY_FILE, report)
  if (values.PROXY_PROTOCOL === 'v2' && values.TRUSTED_PROXIES.length === 0) report('TRUSTED_PROXIES', 'is needed with PROXY_PROTOCOL=v2: anyone can send that header')
  for (const carrier of values.WS_TOKEN_CARRIERS) {
    if (!['query', 'header', 'protocol'].includes(carrier)) report('WS_TOKEN_CARRIERS', `unknown carrier ${JSON.stringify(carrier.slice(0, 40))}; known: query, header, protocol`)
  }
}

function checkAccess (values: SettingValues, issuers: readonly { name: string }[], report: Report): void {
  const { WS_AUTHORIZER: authorizer, WS_ACCESS_ISSUER: issuer } = values
  if (authorizer === 'postgres' && values.DATABASE_URL === undefined) report('DATABASE_URL', 'is needed with WS_AUTHORIZER=postgres')
  if (values.DATABASE_URL !== undefined && !/^postgres(ql)?:\/\//.test(values.DATABASE_URL)) report('DATABASE_URL', 'must be a postgres:// URL')
  if (authorizer === 'supabase' && values.SUPABASE_URL === undefined) report('SUPABASE_URL', 'is needed with WS_AUTHORIZER=supabase')
  if (authorizer === 'supabase' && values.SUPABASE_ANON_KEY === undefined) report('SUPABASE_ANON_KEY', 'is needed with WS_AUTHORIZER=supabase')
  if (authorizer !== 'claims' && issuers.length > 1 && issuer === undefined) {
    report('WS_ACCESS_ISSUER', 'is needed with several issuers and a database: name the one whose users it knows')
  }
  if (issuer !== undefined && !issuers.some(known => known.name === issuer)) report('WS_ACCESS_ISSUER', `names no configured issuer; known: ${issuers.map(known => known.name).join(', ')}`)
}

/** Settings whose names start like ours but are none of ours: most likely misspelt. For a warning, as platforms inject variables of their own. */
export function unknownSettings (env: NodeJS.ProcessEnv): string[] {
  return Object.keys(env).filter(name => /^(WS|JWT|JWKS|KEYCLOAK|SUPABASE)_/.test(name) && !(name in SETTINGS))
}

/**
 * Turns the environment into a configuration.
 * @throws ConfigError naming every wrong, missing or unsafe setting at once.
 */
export function loadConfig (env: NodeJS.ProcessEnv, nowMs = Date.now()): Config {
  const { values, errors } = readSettings(env)
  if (errors.length > 0) {
    // The rules across settings read values of the right type, so a bad one is dropped for them.
    const sound = readSettings(Object.fromEntries(Object.entries(env).filter(([name]) => !errors.some(error => error.setting === name))))
    const seen = new Set(errors.map(error => error.setting))
    buildConfig(sound.values, nowMs, (setting, reason) => { if (!seen.has(setting)) errors.push({ setting, reason }) })
    throw new ConfigError(errors)
  }
  const config = buildConfig(values, nowMs, (setting, reason) => { errors.push({ setting, reason }) })
  if (errors.length > 0) throw new ConfigError(errors)
  return config
}

function buildConfig (values: SettingValues, nowMs: number, report: Report): Config {
  const workers = values.WORKERS === 'auto' ? availableParallelism() : Number(values.WORKERS)
  const issuers = readIssuers(values, report as (setting: string, reason: string) => void)
  const insecureUntilMs = readInsecureUntil(values, nowMs, report)
  if (issuers.length === 0 && !values.ALLOW_INSECURE_WS) {
    report('JWT_ISSUER', 'no issuer is configured: set JWT_ISSUER and JWT_AUDIENCE, KEYCLOAK_URL, SUPABASE_URL or ISSUERS')
  }
  checkOrigins(values, report)
  checkServer(values, workers, report)
  checkAccess(values, issuers, report)
  const networks = (setting: 'TRUSTED_PROXIES' | 'WS_IP_ALLOW_LIST') => values[setting].length === 0
    ? null
    : readNetworks(values[setting], (entry, reason) => { report(setting, `${JSON.stringify(entry.slice(0, 60))} ${reason}`) })
  return {
    server: {
      host: values.HOST,
      port: values.PORT,
      tls: values.TLS_CERT_FILE === undefined || values.TLS_KEY_FILE === undefined ? null : { certFile: values.TLS_CERT_FILE, keyFile: values.TLS_KEY_FILE },
      workers,
      nodeId: values.NODE_ID ?? randomBytes(4).toString('hex'),
      maxConnections: values.WS_MAX_CONNECTIONS,
      maxBufferedBytes: values.WS_MAX_BUFFERED_BYTES,
      maxFrameBytes: values.WS_MAX_FRAME_BYTES,
      compression: values.WS_COMPRESSION === 'shared',
      pingIntervalMs: values.WS_PING_INTERVAL_S * S,
      idleMs: values.WS_IDLE_S * S,
      drainMs: values.WS_DRAIN_SECONDS * S
    },
    admin: { host: values.ADMIN_HOST, port: values.ADMIN_PORT, token: values.ADMIN_TOKEN ?? null, publishKey: values.PUBLISH_KEY ?? null },
    upgrade: {
      deadlineMs: values.WS_UPGRADE_DEADLINE_MS,
      maxPending: values.WS_MAX_PENDING_UPGRADES,
      maxFilterIds: values.WS_MAX_FILTER_IDS,
      carriers: new Set(values.WS_TOKEN_CARRIERS as TokenCarrier[]),
      anyOrigin: values.WS_ALLOWED_ORIGINS.includes('*'),
      origins: new Set(values.WS_ALLOWED_ORIGINS),
      trustedProxies: networks('TRUSTED_PROXIES'),
      proxyProtocol: values.PROXY_PROTOCOL === 'v2'
    },
    tokens: {
      issuers,
      clockToleranceMs: values.JWT_CLOCK_TOLERANCE_S * S,
      maxLifetimeMs: values.JWT_MAX_LIFETIME_S * S,
      cacheSize: values.JWT_CACHE_SIZE,
      jwks: { maxAgeMs: values.JWKS_MAX_AGE_S * S, cooldownMs: values.JWKS_COOLDOWN_S * S, maxStaleMs: values.JWKS_MAX_STALE_S * S, timeoutMs: values.JWKS_TIMEOUT_MS }
    },
    limits: {
      addressConnections: values.WS_IP_CONNECTIONS,
      addressWindowMs: values.WS_IP_WINDOW_S * S,
      userConnections: values.WS_USER_CONNECTIONS,
      leaseMs: values.WS_USER_LEASE_S * S,
      messages: values.WS_IP_MESSAGES,
      messageWindowMs: values.WS_MESSAGE_WINDOW_S * S,
      subscribesPerS: values.WS_SUBSCRIBES_PER_S,
      banAfter: values.WS_BAN_AFTER,
      banMs: values.WS_BAN_S * S,
      allowList: networks('WS_IP_ALLOW_LIST'),
      dryRun: values.WS_LIMITS_MODE === 'dry-run',
      onRedisDown: values.WS_LIMITS_ON_REDIS_DOWN
    },
    redis: values.REDIS_URL === undefined && values.REDIS_CLUSTER_URLS.length === 0
      ? null
      : { url: values.REDIS_URL ?? null, clusterUrls: values.REDIS_CLUSTER_URLS, prefix: values.REDIS_KEY_PREFIX },
    access: {
      authorizer: values.WS_AUTHORIZER,
      issuer: values.WS_ACCESS_ISSUER ?? null,
      databaseUrl: values.DATABASE_URL ?? null,
      pgRole: values.WS_PG_ROLE,
      pgAgents: values.WS_PG_AGENTS,
      pgTasks: values.WS_PG_TASKS,
      supabase: values.SUPABASE_URL === undefined || values.SUPABASE_ANON_KEY === undefined ? null : { url: withoutSlash(values.SUPABASE_URL), anonKey: values.SUPABASE_ANON_KEY },
      recheckMs: values.WS_ACCESS_RECHECK_S * S,
      inboundMax: values.WS_INBOUND_MAX
    },
    insecureUntilMs,
    log: { level: values.LOG_LEVEL, file: values.LOG_FILE ?? null, fileMaxMb: values.LOG_FILE_MAX_MB, fileKeep: values.LOG_FILE_KEEP }
  }
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')
