import type { HttpResponse } from 'uWebSockets.js'
import { httpRefusal } from '../../connection/answer-refusal.js'
import { refuse } from '../../refusals.js'
import type { BodyReading, HttpAnswer } from '../../http/route.js'

export interface BodyLimits {
  /** Bytes of all bodies that are held at the same time. */
  readonly maxBytesInAll: number
  /** A body that is not whole by then, in ms, ends its request. */
  readonly timeoutMs: number
}

/** One body on its way. */
export interface OpenBody {
  readonly reading: Promise<BodyReading>
  /** The client is gone. */
  abort (): void
  /** What was read is needed no longer: its bytes may be held by others. */
  release (): void
}

/** Reads one body of at most `maxBytes`; `contentLength` as the header says. */
export type OpenBodyOf = (res: HttpResponse, contentLength: string | undefined, maxBytes: number) => OpenBody

const JSON_HEADERS: HttpAnswer['headers'] = [['Content-Type', 'application/json']]
const TOO_SLOW: BodyReading = { ok: false, answer: { status: 408, headers: JSON_HEADERS, body: '{"error":"bad_request","message":"the body did not come in time"}' } }
const OVERLOADED: BodyReading = { ok: false, answer: httpRefusal(refuse('overloaded', { retryAfterMs: 1000 })) }

const tooLarge = (maxBytes: number): BodyReading =>
  ({ ok: false, answer: { status: 413, headers: JSON_HEADERS, body: `{"error":"bad_request","message":"the body is over ${maxBytes} bytes"}` } })

const refused = (reading: BodyReading): OpenBody => ({ reading: Promise.resolve(reading), abort () {}, release () {} })

/**
 * Collects chunks until the last; each dies with its callback, so it is copied. `done` is told once what became of it; the
 * returned function ends it before.
 */
function collect (res: HttpResponse, maxBytes: number, timeoutMs: number, done: (reading: BodyReading) => void): () => void {
  const chunks: Buffer[] = []
  let size = 0
  const end = (reading: BodyReading): void => {
    clearTimeout(timer)
    chunks.length = 0
    done(reading)
  }
  const timer = setTimeout(() => { end(TOO_SLOW) }, timeoutMs)
  res.onData((chunk, isLast) => {
    size += chunk.byteLength
    if (size > maxBytes) return end(tooLarge(maxBytes))
    chunks.push(Buffer.from(new Uint8Array(chunk)))
    if (isLast) end({ ok: true, text: Buffer.concat(chunks).toString() })
  })
  return () => { end(TOO_SLOW) }
}

/**
 * Reads request bodies as UTF-8. The place of a body is taken before any of it is read, as long as it says it is: so many
 * that come together are refused at once and not half-way.
 */
export function createBodyReader ({ maxBytesInAll, timeoutMs }: BodyLimits): OpenBodyOf {
  let heldBytes = 0
  return (res, contentLength, maxBytes) => {
    const bytes = /^\d{1,15}$/.test(contentLength ?? '') ? Number(contentLength) : maxBytes
    if (bytes > maxBytes) return refused(tooLarge(maxBytes))
    if (heldBytes + bytes > maxBytesInAll) return refused(OVERLOADED)
    let abort = (): void => {}
    const reading = new Promise<BodyReading>((resolve) => { abort = collect(res, bytes, timeoutMs, resolve) })
    let held = bytes
    heldBytes += held
    return {
      reading,
      abort,
      release () {
        heldBytes -= held
        held = 0
      }
    }
  }
}
