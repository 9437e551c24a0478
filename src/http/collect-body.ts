import { isUtf8 } from 'node:buffer'
import { refusalAnswer, tooLargeAnswer, tooSlowAnswer, type Answer } from './answers.js'

/** What a route lets come in. */
export interface BodyBounds {
  readonly maxBytes: number
  /** A body that is not whole by then, in ms from when its reading began, ends its request. */
  readonly timeoutMs: number
}

/** A body in UTF-8, or the answer that says why there is none. */
export type BodyReading = { readonly ok: true, readonly bytes: Buffer } | { readonly ok: false, readonly answer: Answer }

/** The most bytes that a body may have by its `Content-Length`, or by its bounds where there is none. Null: it says that it is too long. */
export function expectedBytes (contentLength: string | undefined, maxBytes: number): number | null {
  const bytes = /^\d{1,15}$/.test(contentLength ?? '') ? Number(contentLength) : maxBytes
  return bytes > maxBytes ? null : bytes
}

/** Collects one body for a host. Whatever comes after `reading` has resolved is dropped. */
export class BodyCollector {
  /** Never rejects. */
  readonly reading: Promise<BodyReading>
  private readonly chunks: Uint8Array[] = []
  private readonly timer: NodeJS.Timeout
  private resolve!: (reading: BodyReading) => void
  private size = 0
  private isDone = false

  constructor (private readonly bounds: BodyBounds) {
    this.reading = new Promise((resolve) => { this.resolve = resolve })
    this.timer = setTimeout(() => { this.abort() }, bounds.timeoutMs)
  }

  /** Takes a chunk that nobody changes any more. */
  push (chunk: Uint8Array, isLast: boolean): void {
    if (this.isDone) return
    this.size += chunk.byteLength
    if (this.size > this.bounds.maxBytes) return this.end({ ok: false, answer: tooLargeAnswer() })
    this.chunks.push(chunk)
    if (isLast) this.end(join(this.chunks))
  }

  /** The time is over, or the client is gone and reads no answer. */
  abort (): void {
    this.end({ ok: false, answer: tooSlowAnswer() })
  }

  private end (reading: BodyReading): void {
    if (this.isDone) return
    this.isDone = true
    clearTimeout(this.timer)
    this.chunks.length = 0
    this.resolve(reading)
  }
}

/** Some clients begin with it, to say that what follows is UTF-8. */
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

/** Bytes that are no UTF-8 are refused: replaced ones would be published as something that nobody sent. */
function join (chunks: readonly Uint8Array[]): BodyReading {
  const bytes = Buffer.concat(chunks)
  if (!isUtf8(bytes)) return { ok: false, answer: refusalAnswer('bad_request', 'the body is not valid UTF-8') }
  const isMarked = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  return { ok: true, bytes: isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes }
}
