import type { UpgradeSettings } from '../config/config.js'
import { refuse, type Refusal } from '../refusals.js'
import { SUBPROTOCOL } from '../wire/frames.js'
import { isFilterError, parseFilter, type Filter } from './parse-filter.js'
import { parseQuery, type Query, type QueryName } from './parse-query.js'
import type { UpgradeHead, UpgradeHeaders } from './transport.js'

/** A well-formed upgrade request. Null filter: none given. */
export interface UpgradeRequest {
  readonly path: string
  readonly origin: string
  readonly host: string
  /** Null when no accepted carrier holds one. */
  readonly token: string | null
  /** The subprotocol to answer with; `''` for none. */
  readonly protocol: string
  readonly agents: Filter | null
  readonly tasks: Filter | null
  readonly eventTypes: Filter | null
  /** The client cannot read an HTTP status: refuse by accepting and closing. */
  readonly refuseByClose: boolean
  /** A resume ticket as presented, unjudged; null when none was, or nothing that could be one. */
  readonly resume: string | null
}

/** WebSocket paths, and the filters that each takes. */
export const PATHS: ReadonlyMap<string, readonly QueryName[]> = new Map([
  ['/ws', ['agent_ids', 'task_ids']],
  ['/ws/agents', ['agent_ids']],
  ['/ws/tasks', ['task_ids']]
])

const MAX_HEAD_BYTES = 16_384
const MAX_RESUME_LENGTH = 256

const bad = (message: string): Refusal => refuse('bad_request', { message })
export const isRefusal = (value: object): value is Refusal => 'name' in value

function checkHandshake (headers: UpgradeHeaders): Refusal | null {
  // The native layer accepts any version and misses these headers (RFC 6455 section 4.2.1).
  const asksUpgrade = headers.upgrade.toLowerCase() === 'websocket' && /(^|[,\s])upgrade($|[,\s])/i.test(headers.connection)
  if (!asksUpgrade || headers.secWebSocketVersion !== '13') return refuse('upgrade_required')
  if (!/^[A-Za-z0-9+/]{22}==$/.test(headers.secWebSocketKey)) return bad('Sec-WebSocket-Key must be 16 bytes in base64')
  return null
}

interface Offer { readonly protocol: string, readonly tokens: readonly string[] }

/** Reads the offered subprotocols: `portcullis.v1`, and a token as `bearer.<jwt>`, which is never echoed. */
function readOffer (header: string): Offer | Refusal {
  if (header === '') return { protocol: '', tokens: [] }
  const offered = header.split(',').map(entry => entry.trim())
  const bearers = offered.filter(entry => entry.startsWith('bearer.'))
  const protocol = offered.includes(SUBPROTOCOL) ? SUBPROTOCOL : ''
  if (protocol === '' && bearers.length > 0) return bad(`offer ${SUBPROTOCOL} beside bearer.<token>`)
  return { protocol, tokens: bearers.map(entry => entry.slice('bearer.'.length)).filter(token => token !== '') }
}

/**
 * `Authorization` lines may have been joined by commas; other schemes (a proxy's own) and their parameters are not ours to
 * judge. No bearer token has a comma (RFC 6750 section 2.1): part of one must not pass for the whole.
 */
function readBearer (header: string): string[] | Refusal {
  const tokens: string[] = []
  let isBearer = false
  for (const part of header.split(',').map(part => part.trim()).filter(part => part !== '')) {
    const scheme = /^([^\s=]+) +[^\s=]/.exec(part)?.[1]
    if (scheme === undefined && isBearer) return bad('Authorization: a comma inside the bearer token')
    if (scheme !== undefined) isBearer = scheme.toLowerCase() === 'bearer'
    const token = isBearer ? /^\S+ +(\S+)$/.exec(part)?.[1] : undefined
    if (token !== undefined) tokens.push(token)
  }
  return tokens
}

function findToken (query: Query, offer: Offer, headers: UpgradeHeaders, settings: UpgradeSettings): string | null | Refusal {
  const { carriers } = settings
  const candidates: string[] = []
  const inQuery = query.get('token') ?? ''
  if (carriers.has('query') && inQuery !== '') candidates.push(inQuery)
  if (carriers.has('header') && headers.authorization !== '') {
    const tokens = readBearer(headers.authorization)
    if (!Array.isArray(tokens)) return tokens
    candidates.push(...tokens)
  }
  if (carriers.has('protocol')) candidates.push(...offer.tokens)
  const [token = null] = candidates
  return candidates.some(other => other !== token) ? bad('two tokens that differ') : token
}

function readFilter (name: QueryName, query: Query, settings: UpgradeSettings): Filter | null | Refusal {
  const text = query.get(name)
  if (text === undefined) return null
  const filter = parseFilter(name, text, settings.maxFilterIds)
  return isFilterError(filter) ? bad(filter.error) : filter
}

/** Reads an upgrade request's shape: version, key, token carriers, filters. Looks at nothing but the request. */
export function readRequest (head: UpgradeHead, settings: UpgradeSettings): UpgradeRequest | Refusal {
  const { headers, path } = head
  // The native layer bounds a head only when it comes in several reads.
  if (head.bytes > MAX_HEAD_BYTES) return bad(`the request head is over ${MAX_HEAD_BYTES} bytes; longer filters go by a subscribe frame`)
  const handshake = checkHandshake(headers)
  if (handshake !== null) return handshake
  const query = parseQuery(head.query)
  if ('error' in query) return bad(query.error)
  const mode = query.get('refuse')
  if (mode !== undefined && mode !== 'close') return bad('refuse: only `close` is known')
  const offer = readOffer(headers.secWebSocketProtocol)
  if (isRefusal(offer)) return offer
  const token = findToken(query, offer, headers, settings)
  if (token !== null && typeof token === 'object') return token
  const filters = readFilters(path, query, settings)
  if (isRefusal(filters)) return filters
  const { origin, host } = headers
  return { path, origin, host, token, protocol: offer.protocol, ...filters, refuseByClose: mode === 'close', resume: readResume(query) }
}

/** Whatever is wrong with it, it only fails to help. */
function readResume (query: Query): string | null {
  const text = query.get('resume') ?? ''
  return text === '' || text.length > MAX_RESUME_LENGTH ? null : text
}

function readFilters (path: string, query: Query, settings: UpgradeSettings): Pick<UpgradeRequest, 'agents' | 'tasks' | 'eventTypes'> | Refusal {
  const takes = PATHS.get(path) ?? []
  for (const name of ['agent_ids', 'task_ids'] as const) {
    if (query.has(name) && !takes.includes(name)) return bad(`${path} takes no ${name}`)
  }
  const agents = readFilter('agent_ids', query, settings)
  const tasks = readFilter('task_ids', query, settings)
  const eventTypes = readFilter('event_types', query, settings)
  for (const filter of [agents, tasks, eventTypes]) {
    if (filter !== null && typeof filter === 'object' && 'name' in filter) return filter
  }
  return { agents: agents as Filter | null, tasks: tasks as Filter | null, eventTypes: eventTypes as Filter | null }
}
