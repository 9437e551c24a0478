import { findErrorCode } from '../error-code.js'
import { findNetworkFault, type NetworkFault } from '../network-fault.js'
import type { SendRequest } from './issuer-route.js'
import { readText } from './read-text.js'
import { parseJsonObject } from './token-format.js'

/** Why no document came back. */
export type FetchFault = NetworkFault | 'proxy_refused' | 'timeout' | 'network' | 'redirect' | 'status' | 'too_large' | 'not_json'

/** A fetch that brought nothing. */
export interface FetchFailure<Fault extends string> {
  readonly ok: false
  readonly fault: Fault
  /** The code at hand, for operators: an HTTP status, `ENOTFOUND`, `CERT_HAS_EXPIRED`; null: the fault says it all. */
  readonly detail: string | null
}

export type FetchedJson = { readonly ok: true, readonly document: Record<string, unknown> } | FetchFailure<FetchFault>

export interface FetchOptions {
  /** Ends the whole exchange, headers and body together; its abort counts as `timeout`. */
  readonly signal: AbortSignal
  /** Longest accepted body, in bytes after decompression. */
  readonly maxBytes: number
  readonly headers?: Readonly<Record<string, string>>
  /** Sent by POST; without it the request is a GET. */
  readonly form?: URLSearchParams
}

/** Gets one JSON object over HTTP. Never rejects; what went wrong is a word and a code, never the peer's own text. */
export type FetchJson = (url: string, options: FetchOptions) => Promise<FetchedJson>

/** Makes the client that asks issuers; `send` is the way to them. */
export function createFetchJson (send: SendRequest): FetchJson {
  return async (url, options) => {
    try {
      const response = await send(url, {
        method: options.form === undefined ? 'GET' : 'POST',
        // A kept connection may be closed by the peer at the moment of its next use: that would pass for an outage.
        headers: { accept: 'application/json', connection: 'close', ...options.headers },
        body: options.form ?? null,
        // Followed, a redirect would let the server that answers choose the next address that we ask.
        redirect: 'manual',
        signal: options.signal
      })
      return await readDocument(response, options.maxBytes)
    } catch (error) {
      return options.signal.aborted ? fail('timeout') : describeFailure(error)
    }
  }
}

/** What the HTTP client says when a proxy does not open the way (RFC 9110 section 9.3.6); the number is the proxy's. */
const REFUSED_BY_PROXY = /^Proxy response \((\d{3})\)/

/** The status with which a proxy refused; undefined: no proxy did. */
function findProxyStatus (error: unknown): string | undefined {
  return error instanceof Error ? REFUSED_BY_PROXY.exec(error.message)?.[1] ?? findProxyStatus(error.cause) : undefined
}

function describeFailure (error: unknown): FetchFailure<FetchFault> {
  const proxyStatus = findProxyStatus(error)
  if (proxyStatus !== undefined) return fail('proxy_refused', proxyStatus)
  const code = findErrorCode(error)
  return fail(findNetworkFault(error, code) ?? 'network', code)
}

function fail (fault: FetchFault, detail: string | null = null): FetchFailure<FetchFault> {
  return { ok: false, fault, detail }
}

async function readDocument (response: Response, maxBytes: number): Promise<FetchedJson> {
  if (response.status !== 200) {
    await response.body?.cancel()
    return fail(response.status >= 300 && response.status < 400 ? 'redirect' : 'status', String(response.status))
  }
  const body = await readText(response, maxBytes)
  if (body === null) return fail('too_large')
  const document = parseJsonObject(body)
  return document === null ? fail('not_json') : { ok: true, document }
}

/**
 * A signal that fires after `timeoutMs`, or with `abort`; the timer holds no process open. `AbortSignal.any` with an
 * `AbortSignal.timeout` would be the same, but Node 20 collects such a time-out as garbage, and then it never fires.
 */
export function createDeadline (timeoutMs: number): { readonly signal: AbortSignal, abort (): void } {
  const controller = new AbortController()
  const timer = setTimeout(() => { controller.abort() }, timeoutMs)
  timer.unref()
  return {
    signal: controller.signal,
    abort: () => {
      clearTimeout(timer)
      controller.abort()
    }
  }
}
