import { KINDS, mapKinds } from '../kinds.js'
import { andList, orList } from '../list-words.js'
import type { IssuerConfig } from '../tokens/issuer-config.js'
import { checkRedisSettings, hasRedis } from './check-redis-settings.js'
import { checkTls } from './check-tls.js'
import { checkDatabaseUrl } from './database-url.js'
import type { ReportMistake } from './read-settings.js'
import type { SettingValues } from './settings.js'

export const MAX_WORKERS = 256
const CLAIMS = andList(KINDS.map(({ claim }) => claim))
/** Says that no table is public: an empty value says nothing. */
const NO_TABLE = 'none'
/** In WS_ALLOWED_ORIGINS: the host that was asked. */
export const OWN_HOST = 'self'
const CARRIERS: readonly string[] = ['query', 'header', 'protocol']

function checkOrigins (values: SettingValues, report: ReportMistake): void {
  const origins = values.WS_ALLOWED_ORIGINS
  if (origins.includes('*')) {
    if (origins.length > 1) report('WS_ALLOWED_ORIGINS', '`*` stands alone: with it the other origins mean nothing')
    if (values.ALLOW_INSECURE_WS) report('WS_ALLOWED_ORIGINS', '`*` together with ALLOW_INSECURE_WS would let any web page connect through its visitors')
    return
  }
  for (const origin of origins) {
    if (origin !== OWN_HOST && !isOrigin(origin)) {
      report('WS_ALLOWED_ORIGINS', `${JSON.stringify(origin.slice(0, 80))} is no origin; write scheme://host[:port] in lower case, without a path, or \`${OWN_HOST}\``)
    }
  }
}

/** Schemes that no origin has: pages of http open these sockets, and every file of a device would be one origin. */
const NO_ORIGINS: readonly string[] = ['ws', 'wss', 'ftp', 'file']
/** Apps have schemes of their own, whose origins no standard writes out: they send scheme and host as they are. */
const APP_ORIGIN = /^([a-z][a-z0-9+.-]*):\/\/[a-z0-9](?:[a-z0-9._-]{0,252}[a-z0-9])?(?::[1-9][0-9]{0,4})?$/

function isOrigin (text: string): boolean {
  // A pattern would parse as a host name, and no browser would ever match it.
  if (text.includes('*') || !URL.canParse(text)) return false
  if (/^https?:/.test(text)) return new URL(text).origin === text
  const scheme = APP_ORIGIN.exec(text)?.[1]
  return scheme !== undefined && !NO_ORIGINS.includes(scheme)
}

function checkWebUrl (setting: 'PUBLIC_URL' | 'OTEL_EXPORTER_OTLP_ENDPOINT', url: string | undefined, report: ReportMistake): void {
  if (url === undefined) return
  if (!URL.canParse(url)) return report(setting, 'must be a URL')
  const { protocol, username, password, search, hash } = new URL(url)
  if (protocol !== 'https:' && protocol !== 'http:') report(setting, 'must be an https or http URL')
  if (username !== '' || password !== '') report(setting, 'must not hold credentials')
  if (search !== '' || hash !== '') report(setting, 'must have no query and no fragment')
}

function checkWorkers (values: SettingValues, workers: number, report: ReportMistake): void {
  if (workers > MAX_WORKERS) report('WORKERS', `must be at most ${MAX_WORKERS}`)
  if (workers > 1 && !hasRedis(values)) report('WORKERS', 'more than one process needs REDIS_URL, REDIS_SENTINELS or REDIS_CLUSTER_URLS: limits in memory would count each process alone')
  if (workers > 1 && values.PORT === 0) report('PORT', 'must be given with several processes: they share it')
}

function checkServer (values: SettingValues, report: ReportMistake): void {
  if (values.ADMIN_PORT !== 0 && values.ADMIN_PORT === values.PORT) report('ADMIN_PORT', 'must differ from PORT: the admin port is not the main port')
  if (values.ADMIN_TOKEN.some(token => values.PUBLISH_KEY.includes(token))) report('PUBLISH_KEY', 'must differ from ADMIN_TOKEN')
  checkTls(values, report)
  if (values.PROXY_PROTOCOL === 'v2' && values.TRUSTED_PROXIES.length === 0) report('TRUSTED_PROXIES', 'is needed with PROXY_PROTOCOL=v2: anyone can send that header')
  for (const carrier of values.WS_TOKEN_CARRIERS) {
    if (!CARRIERS.includes(carrier)) report('WS_TOKEN_CARRIERS', `unknown carrier ${JSON.stringify(carrier.slice(0, 40))}; known: ${CARRIERS.join(', ')}`)
  }
}

function checkAccess (values: SettingValues, report: ReportMistake): void {
  const { WS_AUTHORIZER: authorizer } = values
  if (authorizer === 'postgres' && values.DATABASE_URL === undefined) report('DATABASE_URL', 'is needed with WS_AUTHORIZER=postgres')
  checkDatabaseUrl(values, report)
  if (authorizer === 'supabase' && values.SUPABASE_URL === undefined) report('SUPABASE_URL', 'is needed with WS_AUTHORIZER=supabase')
  if (authorizer === 'supabase' && values.SUPABASE_ANON_KEY === undefined) report('SUPABASE_ANON_KEY', 'is needed with WS_AUTHORIZER=supabase')
  const tables = mapKinds(({ setting }) => values[setting])
  const isOther = (name: string): boolean => !Object.values(tables).includes(name)
  const isNone = values.SUPABASE_PUBLIC_TABLES.join() === NO_TABLE
  if (!isNone && values.SUPABASE_PUBLIC_TABLES.some(isOther)) {
    report('SUPABASE_PUBLIC_TABLES', `names tables of the gateway, as ${orList(Object.values(tables))}, or is \`${NO_TABLE}\` alone`)
  }
}

/** With several issuers, each could mint a token that names another's agents: those whose word counts are named. */
function checkAccessIssuers ({ values, issuers, accessIssuers }: ReadParts, report: ReportMistake): void {
  const known = issuers.map(({ name }) => name)
  const unknown = values.WS_ACCESS_ISSUER.filter(name => !known.includes(name))
  const [usesClaims, several] = [values.WS_AUTHORIZER === 'claims', issuers.length > 1]
  if (unknown.length > 0) {
    report('WS_ACCESS_ISSUER', `names no configured issuer by ${JSON.stringify(unknown.join(',').slice(0, 80))}; known: ${known.join(', ')}`)
  } else if (several && accessIssuers.size === 0) {
    report('WS_ACCESS_ISSUER', usesClaims
      ? `is needed with several issuers: name those whose claims ${CLAIMS} count, of ${known.join(', ')}; or set "rights": true for them in ISSUERS`
      : `is needed with several issuers and a database: name the one whose users it knows, of ${known.join(', ')}`)
  } else if (several && !usesClaims && accessIssuers.size > 1) {
    report('WS_ACCESS_ISSUER', `with a database it is one: the same \`sub\` of two issuers would be one user to it; named are ${[...accessIssuers].join(', ')}`)
  }
}

/** What was read of the settings so far. */
export interface ReadParts {
  readonly values: SettingValues
  readonly issuers: readonly IssuerConfig[]
  /** Names of those whose users have agents and tasks. */
  readonly accessIssuers: ReadonlySet<string>
  /** Processes: 1 or more. */
  readonly workers: number
}

/** Reports what is missing beside another setting, and what together would not be safe. */
export function checkRules (parts: ReadParts, report: ReportMistake): void {
  const { values, issuers, workers } = parts
  if (issuers.length === 0 && !values.ALLOW_INSECURE_WS) {
    report('JWT_ISSUER', 'no issuer is configured: set JWT_ISSUER and JWT_AUDIENCE, KEYCLOAK_URL, SUPABASE_URL or ISSUERS')
  }
  if (values.SSF_AUTHORIZATION !== undefined && values.SSF_AUDIENCE === undefined) report('SSF_AUDIENCE', 'is needed with SSF_AUTHORIZATION')
  checkOrigins(values, report)
  checkWebUrl('PUBLIC_URL', values.PUBLIC_URL, report)
  checkWebUrl('OTEL_EXPORTER_OTLP_ENDPOINT', values.OTEL_EXPORTER_OTLP_ENDPOINT, report)
  checkWorkers(values, workers, report)
  checkRedisSettings(values, report)
  checkServer(values, report)
  checkAccess(values, report)
  checkAccessIssuers(parts, report)
}
