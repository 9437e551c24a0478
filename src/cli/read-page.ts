/** What an HTTP server answered, or why it did not. */
export type Page =
  { readonly ok: true, readonly status: number, readonly text: string } | { readonly ok: false, readonly reason: string }

export interface ReadOptions {
  /** Longest accepted body. */
  readonly maxBytes: number
  /** Gives up earlier. */
  readonly signal?: AbortSignal | undefined
}

const TIMEOUT_MS = 5000

async function readBody (response: Response, maxBytes: number): Promise<string | null> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop cancels the rest.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

/** Gets one page as text, within 5 s. Never rejects; redirects are not followed; a longer body is a failure. */
export async function readPage (url: URL, { maxBytes, signal }: ReadOptions): Promise<Page> {
  const controller = new AbortController()
  const abort = (): void => { controller.abort() }
  const timer = setTimeout(abort, TIMEOUT_MS)
  signal?.addEventListener('abort', abort)
  try {
    // A kept connection would keep the process running after its work.
    const response = await fetch(url, { redirect: 'manual', signal: controller.signal, headers: { connection: 'close' } })
    const text = await readBody(response, maxBytes)
    return text === null ? { ok: false, reason: `${url.origin} sent more than ${maxBytes} bytes` } : { ok: true, status: response.status, text }
  } catch {
    return { ok: false, reason: controller.signal.aborted ? `${url.origin} did not answer in ${TIMEOUT_MS / 1000} s` : `${url.origin} cannot be reached` }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}
