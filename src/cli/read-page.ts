import { readText } from '../tokens/read-text.js'

/** What an HTTP server answered, or why it did not. */
export type Page =
  { readonly ok: true, readonly status: number, readonly text: string } | { readonly ok: false, readonly reason: string }

export interface ReadOptions {
  /** Longest accepted body. */
  readonly maxBytes: number
  /** Gives up earlier. */
  readonly signal?: AbortSignal | undefined
  /** Sent by POST, with this bearer token. */
  readonly post?: { readonly bearer: string, readonly body: string }
  /** Default 5000. */
  readonly timeoutMs?: number
}

/** Gets one page as text, in time. Never rejects; redirects are not followed; a longer body is a failure. */
export async function readPage (url: URL, { maxBytes, signal, post, timeoutMs = 5000 }: ReadOptions): Promise<Page> {
  // Named here and read at the end: on Node 20 a time-out that only `any` knows is collected as garbage and never fires.
  const limit = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      redirect: 'manual',
      signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      // A kept connection would keep the process running after its work.
      headers: { connection: 'close', ...(post === undefined ? {} : { authorization: `Bearer ${post.bearer}` }) },
      ...(post === undefined ? {} : { method: 'POST', body: post.body })
    })
    const text = await readText(response, maxBytes)
    return text === null ? { ok: false, reason: `${url.origin} sent more than ${maxBytes} bytes` } : { ok: true, status: response.status, text }
  } catch {
    return { ok: false, reason: limit.aborted ? `${url.origin} did not answer in ${timeoutMs / 1000} s` : `${url.origin} cannot be reached` }
  }
}
