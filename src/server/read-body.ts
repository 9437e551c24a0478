import type { HttpResponse } from 'uWebSockets.js'

/** Collects a request body as UTF-8; null once it passes `maxBytes`. Each chunk dies with its callback, so it is copied. */
export function readBody (res: HttpResponse, maxBytes: number, done: (body: string | null) => void): void {
  const chunks: Buffer[] = []
  let size = 0
  let finished = false
  res.onData((chunk, isLast) => {
    if (finished) return
    size += chunk.byteLength
    finished = isLast || size > maxBytes
    if (size > maxBytes) return done(null)
    chunks.push(Buffer.from(new Uint8Array(chunk)))
    if (isLast) done(Buffer.concat(chunks).toString())
  })
}
