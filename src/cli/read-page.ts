/** What an HTTP server answered, or why it did not. */
export type Page =
  { readonly ok: true, readonly status: number, readonly text: string } | { readonly ok: false, readonly reason: string }

const TIMEOUT_MS = 5000

/** Gets one page as text. Never rejects; redirects are not followed; a body over `maxBytes` is a failure. */
export async function readPage (url: URL, maxBytes: number, timeoutMs = TIMEOUT_MS): Promise<Page> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    // A kept connection would keep the process running after its work.
    const response = await fetch(url, { redirect: 'manual', signal, headers: { connection: 'close' } })
    const chunks: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength
      if (bytes > maxBytes) return { ok: false, reason: `${url.origin} sent more than ${maxBytes} bytes` }
      chunks.push(chunk)
    }
    return { ok: true, status: response.status, text: Buffer.concat(chunks).toString() }
  } catch {
    return { ok: false, reason: signal.aborted ? `${url.origin} did not answer in ${timeoutMs / 1000} s` : `${url.origin} cannot be reached` }
  }
}
