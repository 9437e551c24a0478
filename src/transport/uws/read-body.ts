import type { HttpResponse } from 'uWebSockets.js'
import { overloadedAnswer, tooLargeAnswer, type Answer } from '../../http/answers.js'
import { BodyCollector, expectedBytes, type BodyBounds, type BodyReading } from '../../http/collect-body.js'

export interface BodyLimits {
  /** Bytes of all bodies that are held at the same time. */
  readonly maxBytesInAll: number
}

/** One body on its way. */
export interface OpenBody {
  readonly reading: Promise<BodyReading>
  /** The client is gone. */
  abort (): void
  /** What was read is needed no longer: its bytes may be held by others. */
  release (): void
}

/** Begins to read one body; `contentLength` as the header says. */
export type OpenBodyOf = (res: HttpResponse, contentLength: string | undefined, bounds: BodyBounds) => OpenBody

const refused = (answer: Answer): OpenBody => ({ reading: Promise.resolve({ ok: false, answer }), abort () {}, release () {} })

/**
 * Reads request bodies. The place of a body is taken before any of it is read, as long as it says it is: of many that come
 * together, those that do not fit are refused at once and not half-way.
 */
export function createBodyReader ({ maxBytesInAll }: BodyLimits): OpenBodyOf {
  let heldBytes = 0
  return (res, contentLength, { maxBytes, timeoutMs }) => {
    const bytes = expectedBytes(contentLength, maxBytes)
    if (bytes === null) return refused(tooLargeAnswer())
    if (heldBytes + bytes > maxBytesInAll) return refused(overloadedAnswer())
    const collector = new BodyCollector({ maxBytes: bytes, timeoutMs })
    // The chunk dies with the callback, so it is copied.
    res.onData((chunk, isLast) => { collector.push(Buffer.from(new Uint8Array(chunk)), isLast) })
    let held = bytes
    heldBytes += held
    return {
      reading: collector.reading,
      abort () { collector.abort() },
      release () {
        heldBytes -= held
        held = 0
      }
    }
  }
}
