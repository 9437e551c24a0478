import type { UpgradeSettings } from '../config/config.js'
import { KINDS, mapKinds, type ByKind, type Kind } from '../kinds.js'
import { refuse, type Refusal } from '../refusals.js'
import { SUBPROTOCOL } from '../wire/frames.js'
import { isFilterError, parseFilter, type Filter } from './parse-filter.js'
import { parseQuery, type Query, type QueryName } from './parse-query.js'
import type { UpgradeHead, UpgradeHeaders } from './transport.js'

/** The lists of ids that a request or a frame gives, by kind, and its event types. Null: none given. */
export interface ReadFilters extends ByKind<Filter | null> {
  readonly eventTypes: Filter | null
}

/** A well-formed upgrade request. */
export interface UpgradeRequest extends ReadFilters {
  readonly path: string
  readonly origin: string
  readonly host: string
  /** Null when no accepted carrier holds one. */
  readonly token: string | null
  /** What stands for a token, as presented, unjudged; null: none was. Never beside a token. */
  readonly ticket: string | null
  /** The subprotocol to answer with; `''` for none. */
  readonly protocol: string
  /** The client cannot read an HTTP status: refuse by accepting and closing. */
  readonly refuseByClose: boolean
  /** A resume pass as presented, unjudged; null when none was, or nothing that could be one. */
  readonly resume: string | null
  /** A position in the user's own topic, as it was written; null: none was named. */
  readonly since: string | null
}

/** WebSocket paths, and the lists of ids that each takes. */
export const PATHS: ReadonlyMap<string, readonly Kind['list'][]> = new Map<string, readonly Kind['list'][]>([
  ['/ws', KINDS.map(({ list }) => list)],
  ...KINDS.map(({ path, list }): [string, readonly Kind['list'][]] => [path, [list]])
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

/** A token that is bound to a key comes under `DPoP` (RFC 9449 section 7.1), and is then refused as what it is. */
const TOKEN_SCHEMES: readonly string[] = ['bearer', 'dpop']

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
    if (scheme !== undefined) isBearer = TOKEN_SCHEMES.includes(scheme.toLowerCase())
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
  if (head.bytes > MAX_HEAD_BYTES) return bad(`the request head is over ${MAX_HEAD_BYTES} bytes: longer filters go by a subscribe frame, a token has room for 12000 characters`)
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
  const ticket = query.get('ticket') || null
  if (ticket !== null && token !== null) return bad('a ticket beside a token')
  const ids = readIds(path, query, settings)
  if (isRefusal(ids)) return ids
  const eventTypes = readFilter('event_types', query, settings)
  if (isRefusedFilter(eventTypes)) return eventTypes
  const { origin, host } = headers
  return {
    path,
    origin,
    host,
    token,
    ticket,
    protocol: offer.protocol,
    ...ids,
    eventTypes,
    refuseByClose: mode === 'close',
    resume: readResume(query),
    since: query.get('since') ?? null
  }
}

/** Whatever is wrong with it, it only fails to help. */
function readResume (query: Query): string | null {
  const text = query.get('resume') ?? ''
  return text === '' || text.length > MAX_RESUME_LENGTH ? null : text
}

/** Shared by all that name no ids. */
const NO_IDS: ByKind<null> = mapKinds(() => null)

/** The lists of ids; the first that is wrong is the one that is told. */
function readIds (path: string, query: Query, settings: UpgradeSettings): ByKind<Filter | null> | Refusal {
  let given = false
  const takes = PATHS.get(path) ?? []
  for (const { list } of KINDS) {
    if (!query.has(list)) continue
    if (!takes.includes(list)) return bad(`${path} takes no ${list}`)
    given = true
  }
  if (!given) return NO_IDS
  let wrong: Refusal | null = null
  const ids = mapKinds(({ list }) => {
    const filter = readFilter(list, query, settings)
    if (!isRefusedFilter(filter)) return filter
    wrong ??= filter
    return null
  })
  return wrong ?? ids
}

function isRefusedFilter (filter: Filter | null | Refusal): filter is Refusal {
  return filter !== null && typeof filter === 'object' && 'name' in filter
}
