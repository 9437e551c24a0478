import { joinUrl } from '../join-url.js'
import { PublishError, type PublishErrorCode } from './publish-error.js'
import type { NamedPublication, PublishedEvent, SendOnce } from './sender.js'

export interface HttpTarget {
  /** Where the gateway's main or admin port is, without `/v1/publish`. */
  readonly url: string | URL
  /** `PUBLISH_KEY` */
  readonly key: string
}

/** What happened before any request could be sent. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'])
const CODES: Readonly<Record<number, PublishErrorCode>> = { 400: 'bad_request', 413: 'bad_request', 401: 'unauthorized', 403: 'unauthorized', 404: 'unauthorized' }
const TRY_AGAIN = new Set([408, 429, 500, 502, 503, 504])

interface Answer { readonly accepted?: boolean, readonly pos?: string, readonly duplicate?: boolean, readonly message?: string }

/** Publishes by `POST /v1/publish`. Throws TypeError when the URL is none of HTTP. */
export function sendByHttp ({ url, key }: HttpTarget): SendOnce {
  const target = joinUrl(url, '/v1/publish')
  return async (publication, timeoutMs) => {
    const [status, answer] = await ask(target, writeHeaders(key, publication), writeBody(publication), timeoutMs)
    if (status === 202 && answer.accepted === true) return toPublished(answer)
    throw explain(status, answer)
  }
}

function toPublished ({ pos = null, duplicate = false }: { readonly pos?: string | null, readonly duplicate?: boolean }): PublishedEvent {
  return { pos, duplicate }
}

/** The data's bytes are the caller's. */
function writeBody ({ topic, event, id, data }: NamedPublication): Uint8Array<ArrayBuffer> {
  const [before, after] = JSON.stringify({ topic, event, id, data: 0 }).split(/0(?=\}$)/)
  return new Uint8Array(Buffer.concat([Buffer.from(before ?? ''), data.bytes, Buffer.from(after ?? '')]))
}

function writeHeaders (key: string, { trace }: NamedPublication): Record<string, string> {
  return { 'Content-Type': 'application/json', 'X-Publish-Key': key, ...(trace === undefined ? {} : { traceparent: trace }) }
}

async function ask (
  target: URL, headers: Record<string, string>, body: Uint8Array<ArrayBuffer>, timeoutMs: number
): Promise<readonly [number, Answer]> {
  try {
    const response = await fetch(target, {
      method: 'POST',
      headers,
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(timeoutMs)
    })
    return [response.status, readAnswer(await response.text())]
  } catch (error) {
    throw new PublishError('unavailable', 'the gateway did not answer', !NOT_SENT.has(findCode(error)), error)
  }
}

function readAnswer (text: string): Answer {
  try {
    const answer: unknown = JSON.parse(text)
    return typeof answer === 'object' && answer !== null ? answer : {}
  } catch {
    return {}
  }
}

/** The code of what went wrong below `fetch`. */
function findCode (error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
}

function explain (status: number, { message }: Answer): PublishError {
  const text = message ?? `the answer was ${status}, and none of a gateway`
  if (TRY_AGAIN.has(status)) return new PublishError('unavailable', text, message === undefined || /may have been delivered/.test(message))
  return new PublishError(CODES[status] ?? 'unexpected', text, false)
}
