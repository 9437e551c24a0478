import { LRUCache } from 'lru-cache'
import { REFUSALS, type Refusal } from '../refusals.js'
import { closeReason } from '../wire/close-reason.js'
import { quote } from '../wire/quote.js'
import { createLingering, type Lingering } from './lingering.js'
import type { PendingUpgrade, SocketHandlers } from './transport.js'

/** Addresses remembered as told once by close that they are over their limit. */
const TOLD_BY_CLOSE_MAX = 100_000

type Headers = Array<readonly [string, string]>

const JSON_HEADERS: Headers = [['Content-Type', 'application/json'], ['Cache-Control', 'no-store']]

/** Whole seconds, and at least one: a client that waits this time can succeed. */
const retryAfterS = (refusal: Refusal): number => Math.max(1, Math.ceil((refusal.retryAfterMs ?? 1000) / 1000))

/** The challenge of RFC 6750 section 3: no error code when no token was presented. */
function challenge (refusal: Refusal): string {
  return refusal.name === 'missing_token'
    ? 'Bearer realm="portcullis"'
    : `Bearer realm="portcullis", error="invalid_token", error_description="${refusal.message}"`
}

/** What a refusal looks like over HTTP: status, headers and the JSON body. */
export function httpRefusal (refusal: Refusal): { status: number, headers: Headers, body: string } {
  const status = REFUSALS[refusal.name].status ?? 503
  const headers = JSON_HEADERS.slice()
  const waits = refusal.retryAfterMs !== undefined || status === 429 || status === 503
  if (status === 401) headers.push(['WWW-Authenticate', challenge(refusal)])
  if (status === 426) headers.push(['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'])
  const seconds = retryAfterS(refusal)
  if (waits) headers.push(['Retry-After', String(seconds)])
  const body = `{"error":${quote(refusal.name)},"message":${quote(refusal.message)}${waits ? `,"retry_after_s":${seconds}` : ''}}`
  return { status, headers, body }
}

const NO_HANDLERS: SocketHandlers = { onMessage () {}, onPing () {}, onDrain () {}, onClose () {} }

/** How to tell a client that it may not come in. */
export interface RefusalAnswerer {
  /** Sockets that were accepted to be closed and may still be open. */
  readonly lingering: number
  /** Answers; true when it was told by accepting and closing. */
  answer (pending: PendingUpgrade, refusal: Refusal, wish: { refuseByClose: boolean, protocol: string, addressKey: string }): boolean
}

/** The native layer drops a socket this long after its close frame at the latest: its largest margin for that. */
const LINGER_MS = 16_000

export interface RefusalAnswererOptions {
  readonly addressWindowMs: number
  /** Sockets accepted to be closed, at once; when there are as many, the rest is told by HTTP. */
  readonly maxLingering: number
  readonly now?: () => number
}

/**
 * Browsers cannot read an HTTP status, so `refuse=close` accepts and closes at once. An accepted socket costs more
 * than a status line: an address over its limit gets that once per window only, else the refusal would be the attack, and
 * all of them together are bounded.
 */
export function createRefusalAnswerer ({ addressWindowMs, maxLingering, now }: RefusalAnswererOptions): RefusalAnswerer {
  const lingering: Lingering = createLingering({ max: maxLingering, lingerMs: LINGER_MS, ...(now === undefined ? {} : { now }) })
  const told = new LRUCache<string, true>({ max: TOLD_BY_CLOSE_MAX, ttl: addressWindowMs })
  const mayClose = (refusal: Refusal, addressKey: string): boolean => {
    if (!REFUSALS[refusal.name].closable) return false
    const isOncePerWindow = refusal.name === 'ip_rate_limited'
    if ((isOncePerWindow && told.has(addressKey)) || !lingering.add()) return false
    if (isOncePerWindow) told.set(addressKey, true)
    return true
  }
  return {
    get lingering () { return lingering.count },
    answer (pending, refusal, { refuseByClose, protocol, addressKey }) {
      if (refuseByClose && mayClose(refusal, addressKey)) {
        pending.accept(protocol, null, (socket) => {
          socket.end(REFUSALS[refusal.name].closeCode ?? 1011, closeReason(refusal))
          return NO_HANDLERS
        })
        return true
      }
      const { status, headers, body } = httpRefusal(refusal)
      pending.refuse(status, headers, body)
      return false
    }
  }
}
