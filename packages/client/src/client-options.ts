import { MAX_TIMER_MS, SYSTEM_CLOCK, type Clock } from './clock.js'
import { readDebug, type DebugLine } from './debug.js'
import type { Ids } from './frames.js'
import type { Backoff } from './reconnect-delay.js'
import type { PositionStorage } from './position-storage.js'
import { findSocketConstructor, pageAddress, type SocketConstructor } from './surroundings.js'
import { checkLast, checkLists, type Filters } from './topics.js'

/** Why a token is asked for: a connection, a connection after the last token was refused, or the last one ends soon. */
export type TokenReason = 'connect' | 'refused' | 'refresh'

/** Gives a token, or null when nobody is signed in, which ends the client. A failure is tried again with back-off. */
export type TokenSource = (ask: { readonly reason: TokenReason, readonly signal: AbortSignal }) => string | null | Promise<string | null>

export interface ClientOptions extends Filters {
  /** `wss://…/ws`; `https:` stands for `wss:`, and in a page it may be relative. */
  readonly url: string
  readonly token: TokenSource
  /** Names of the events to receive; all when absent. */
  readonly eventTypes?: Ids
  /** The newest events of each of these topics, as far as they are kept, are told when they are listened to for the first time. */
  readonly last?: number
  /** Keeps positions over page loads, of one client: `sessionStorage`, as a rule. Default: they live as long as the client. */
  readonly storage?: PositionStorage
  /** Where the token travels: `protocol` (default) keeps it out of URLs, and so of logs. */
  readonly carrier?: 'protocol' | 'query'
  /**
   * Asks for a ticket first, which stands for the token for half a minute: `true`: beside the gateway's `/ws`, at `/v1/tickets`; or its
   * address. Where there is none, or none helps, the token goes by `carrier`. Default: false.
   */
  readonly tickets?: boolean | string
  /** Ends the client when it aborts. */
  readonly signal?: AbortSignal
  /** Needed in Node 20 and 21: `WebSocket` of the package `ws`. */
  readonly WebSocket?: SocketConstructor
  /** Requests that may wait for their answers at once, with or without a connection. Default 100. */
  readonly maxPending?: number
  /** Most ms that an answer, a token callback and a `welcome` may take. Default 15000. */
  readonly timeoutMs?: number
  /** Ms without a frame after which a ping is sent; without an answer a new connection is made. A ping is a message. Default 0: never. */
  readonly keepAliveMs?: number
  /** First and longest random wait before a new attempt. Default 1000 and 30000 ms. */
  readonly backoff?: Partial<Backoff>
  /** Ms after which an open connection counts as stable: the back-off starts anew. Default 10000. */
  readonly stableMs?: number
  /** How long before its end a token is replaced, but at half of its life at the latest. Default 60000 ms. */
  readonly refreshBeforeMs?: number
  /** Tells what the client does, for developers: `true` tells the console. No line holds a token or the data of a frame. Default: false. */
  readonly debug?: boolean | DebugLine
  /** Time and chance, for tests and simulators. Default: the system's. */
  readonly clock?: Clock
}

/** The options with nothing left open. */
export interface ClientSettings {
  readonly url: URL
  readonly token: TokenSource
  readonly filters: Filters
  readonly eventTypes: Ids
  readonly last: number | undefined
  readonly storage: PositionStorage | undefined
  readonly carrier: 'protocol' | 'query'
  /** Where tickets are asked for; null: nowhere. */
  readonly ticketsUrl: URL | null
  readonly Socket: SocketConstructor
  readonly maxPending: number
  readonly timeoutMs: number
  readonly keepAliveMs: number
  readonly backoff: Backoff
  readonly stableMs: number
  readonly refreshBeforeMs: number
  readonly debug: DebugLine | undefined
  readonly clock: Clock
}

function readUrl (text: string): URL {
  let url: URL
  try {
    url = new URL(text, pageAddress())
  } catch {
    // The platform's own error quotes the address, and a token may stand in it.
    throw new TypeError('url: not an address')
  }
  if (url.searchParams.has('token')) throw new TypeError('url: the token comes from the token callback')
  if (url.protocol === 'http:') url.protocol = 'ws:'
  if (url.protocol === 'https:') url.protocol = 'wss:'
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new TypeError('url: ws: or wss:')
  url.hash = ''
  return url
}

/** By default beside the path of the WebSocket, so that a prefix that a proxy takes away stays. */
function readTicketsUrl (tickets: boolean | string, socketUrl: URL): URL | null {
  if (tickets === false) return null
  let url: URL
  try {
    url = new URL(tickets === true ? socketUrl : tickets, pageAddress())
  } catch {
    throw new TypeError('tickets: true, or an address')
  }
  url.protocol = url.protocol.replace(/^ws/, 'http')
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError('tickets: http: or https:')
  if (tickets !== true) return url
  url.search = ''
  url.pathname = url.pathname.replace(/\/ws(\/[^/]*)?\/?$/, '') + '/v1/tickets'
  return url
}

function readNumber (name: string, value: number | undefined, fallback: number, least: number): number {
  const number = value ?? fallback
  if (!(number >= least && number <= MAX_TIMER_MS)) throw new RangeError(`${name}: ${least} to ${MAX_TIMER_MS}`)
  return number
}

/** Checks the options. Throws `TypeError`, `RangeError`, or the `RequestError` of a malformed list. */
export function readOptions (options: ClientOptions): ClientSettings {
  const { agents, tasks, eventTypes, carrier = 'protocol', backoff = {} } = options
  const Socket = options.WebSocket ?? findSocketConstructor()
  if (Socket === undefined) throw new TypeError('WebSocket: there is none here (Node 20 and 21): npm install ws, and give its WebSocket as the option of that name')
  if (typeof options.token !== 'function') throw new TypeError('token: a function that gives the token')
  if (carrier !== 'protocol' && carrier !== 'query') throw new TypeError('carrier: protocol or query')
  checkLists({ agents, tasks, eventTypes })
  checkLast(options.last)
  const url = readUrl(options.url)
  return {
    url,
    token: options.token,
    filters: { ...(agents === undefined ? {} : { agents }), ...(tasks === undefined ? {} : { tasks }) },
    eventTypes: eventTypes ?? '*',
    last: options.last,
    storage: options.storage,
    carrier,
    ticketsUrl: readTicketsUrl(options.tickets ?? false, url),
    Socket,
    maxPending: readNumber('maxPending', options.maxPending, 100, 1),
    timeoutMs: readNumber('timeoutMs', options.timeoutMs, 15_000, 1),
    keepAliveMs: readNumber('keepAliveMs', options.keepAliveMs, 0, 0),
    backoff: {
      baseMs: readNumber('backoff.baseMs', backoff.baseMs, 1000, 1),
      capMs: readNumber('backoff.capMs', backoff.capMs, 30_000, 1)
    },
    stableMs: readNumber('stableMs', options.stableMs, 10_000, 0),
    refreshBeforeMs: readNumber('refreshBeforeMs', options.refreshBeforeMs, 60_000, 0),
    debug: readDebug(options.debug),
    clock: options.clock ?? SYSTEM_CLOCK
  }
}
