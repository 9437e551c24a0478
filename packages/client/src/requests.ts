import type { ClientFrame, ErrorFrame, ServerFrame } from './frames.js'
import { RequestError } from './request-error.js'

/** Text that may wait for answers, in characters, whatever the number of requests; a single one may be larger. */
const MAX_PENDING_CHARS = 8_388_608

/** `text` is held until the answer, as a repeatable request is sent again on the next connection. */
interface Request {
  readonly id: string
  readonly text: string
  readonly kind: RequestKind
  readonly timer: ReturnType<typeof setTimeout>
  readonly resolve: (answer: ServerFrame) => void
  readonly reject: (error: RequestError) => void
  sent: boolean
}

/**
 * `once`: waits for a connection, and fails when that ends before the answer. `repeatable`: is sent again then.
 * `now`: belongs to this connection, passes those that wait, and fails without one.
 */
export type RequestKind = 'once' | 'repeatable' | 'now'

/** A connection that can be written to. */
export interface Outlet {
  send (text: string): void
  /** Largest frame that the gateway takes, in bytes. */
  readonly maxFrameBytes: number
}

/** Requests and their answers, by id. Everything asked is settled by the answer, the time limit or the end. */
export interface Requests {
  ask (frame: ClientFrame, kind: RequestKind): Promise<ServerFrame>
  /** A connection is there, for `now` only. */
  attach (outlet: Outlet): void
  /** The connection is as the application left it: what waited goes out, in the order in which it was asked. */
  release (): void
  /** The connection is gone. */
  detach (): void
  /** Takes an answer; false when it is to nothing that was asked. */
  answer (frame: ServerFrame): boolean
  /** No connection will come any more. */
  end (): void
}

export interface RequestsOptions {
  /** Requests that may be unanswered at once. */
  readonly maxPending: number
  readonly timeoutMs: number
}

const idOf = (frame: ServerFrame): string | undefined => 'id' in frame ? frame.id : undefined
const toError = (frame: ErrorFrame): RequestError =>
  new RequestError(frame.error, 'message' in frame ? frame.message : frame.error, frame.retry_after_ms ?? null)

export function createRequests ({ maxPending, timeoutMs }: RequestsOptions): Requests {
  const pending = new Map<string, Request>()
  let pendingChars = 0
  let lastId = 0
  let outlet: Outlet | null = null
  let isReleased = false
  let isEnded = false

  function take (id: string): Request | undefined {
    const request = pending.get(id)
    if (request === undefined) return undefined
    pending.delete(id)
    pendingChars -= request.text.length
    clearTimeout(request.timer)
    return request
  }
  const fail = (id: string, reason: string, message: string): void => { take(id)?.reject(new RequestError(reason, message)) }

  function refusal (kind: RequestKind, chars: number): RequestError | null {
    if (isEnded) return new RequestError('closed', 'the client is closed')
    if (kind === 'now') return outlet === null ? new RequestError('connection_lost', 'no connection') : null
    const isFull = pending.size >= maxPending || (pendingChars > 0 && pendingChars + chars > MAX_PENDING_CHARS)
    return isFull ? new RequestError('queue_full', `${pending.size} requests wait for their answers`) : null
  }

  function write (request: Request): void {
    if (outlet === null) return
    // The gateway would end the connection for good: a request too large fails alone.
    if (request.text.length > outlet.maxFrameBytes || new TextEncoder().encode(request.text).length > outlet.maxFrameBytes) {
      return fail(request.id, 'frame_too_large', `the gateway takes ${outlet.maxFrameBytes} bytes`)
    }
    request.sent = true
    outlet.send(request.text)
  }

  function add (id: string, text: string, kind: RequestKind): Promise<ServerFrame> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { fail(id, 'timeout', `no answer within ${timeoutMs} ms`) }, timeoutMs)
      const request: Request = { id, text, kind, timer, resolve, reject, sent: false }
      pending.set(id, request)
      pendingChars += text.length
      if (kind === 'now' || isReleased) write(request)
    })
  }

  return {
    async ask (frame, kind) {
      const id = String(++lastId)
      const text = JSON.stringify({ ...frame, id })
      const refused = refusal(kind, text.length)
      if (refused !== null) throw refused
      return await add(id, text, kind)
    },
    attach (to) { outlet = to },
    release () {
      isReleased = true
      for (const request of [...pending.values()]) if (!request.sent) write(request)
    },
    detach () {
      outlet = null
      isReleased = false
      for (const request of [...pending.values()]) {
        if (request.kind === 'repeatable') request.sent = false
        else if (request.sent) fail(request.id, 'connection_lost', 'the connection ended before the answer')
      }
    },
    answer (frame) {
      const id = idOf(frame)
      const request = id === undefined ? undefined : take(id)
      if (request === undefined) return false
      if (frame.type === 'error') request.reject(toError(frame))
      else request.resolve(frame)
      return true
    },
    end () {
      isEnded = true
      for (const id of [...pending.keys()]) fail(id, 'closed', 'the client was closed')
    }
  }
}
