import type { IncomingMessage } from 'node:http'
import { refusalAnswer, tooLargeAnswer, type AdminAnswer } from './answers.js'

/** A body, or why there is none. */
export type BodyReading = { readonly ok: true, readonly value: unknown } | { readonly ok: false, readonly answer: AdminAnswer }

/** Reads a body of at most `maxBytes` and parses it as JSON. How long that may take is bounded by the server. Never rejects. */
export async function readJsonBody (request: IncomingMessage, maxBytes: number): Promise<BodyReading> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) return { ok: false, answer: tooLargeAnswer() }
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Buffer).length
      if (bytes > maxBytes) return { ok: false, answer: tooLargeAnswer() }
      chunks.push(chunk as Buffer)
    }
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch {
    // Not UTF-8, not JSON, or the client went away and reads no answer.
    return { ok: false, answer: refusalAnswer('bad_request', 'the body is not valid JSON') }
  }
}
