import type { Clock } from './clock.js'
import { MAX_FRAME_BYTES, type ClientFrame, type ErrorFrame, type ServerFrame } from './frames.js'
import { PendingRequests, type PendingRequest, type RequestKind } from './pending-requests.js'
import { createIds } from './request-ids.js'
import { RequestError } from './request-error.js'

/** A connection that can be written to. */
export interface Outlet {
  send (text: string): void
  /** Largest frame that the gateway takes, in bytes. */
  readonly maxFrameBytes: number
}

export interface AskOptions {
  /** 1 to 64 characters of the application's own; without it one that no other client of this user has. */
  readonly id?: string | undefined
  /** What the frame holds beside, as it is when the frame is sent, or sent again on another connection. */
  readonly more?: () => object
  /** Told of the answer in the turn in which it comes, before the next frame; not of a refusal. */
  readonly onAnswer?: (answer: ServerFrame) => void
}

/** Requests and their answers, by id. Everything asked is settled by the answer, the time limit or the end. */
export interface Requests {
  ask (frame: ClientFrame, kind: RequestKind, options?: AskOptions): Promise<ServerFrame>
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
  readonly clock: Clock
}

/** That of the request which the frame answers; the `id` of an event is its publisher's. */
const idOf = (frame: ServerFrame): string | undefined => frame.type !== 'event' && 'id' in frame ? frame.id : undefined
const toError = (frame: ErrorFrame): RequestError =>
  new RequestError(frame.error, 'message' in frame ? frame.message : frame.error, frame.retry_after_ms ?? null)

/** Makes the requests of one client, over all its connections. */
export function createRequests (options: RequestsOptions): Requests {
  const pending = new PendingRequests(options)
  const nextId = createIds(options.clock.random)
  let outlet: Outlet | null = null
  let isReleased = false
  let isEnded = false

  function refusal (kind: RequestKind, chars: number): RequestError | null {
    if (isEnded) return new RequestError('closed', 'the client is closed')
    if (kind === 'now') return outlet === null ? new RequestError('connection_lost', 'no connection') : null
    return pending.isFullFor(chars) ? new RequestError('queue_full', `${pending.size} requests wait for their answers`) : null
  }

  function write (request: PendingRequest): void {
    if (outlet === null) return
    const text = request.write()
    const maxBytes = request.kind === 'once' ? outlet.maxFrameBytes : Math.min(outlet.maxFrameBytes, MAX_FRAME_BYTES)
    // The gateway would end the connection for good: a request too large fails alone.
    if (text.length > maxBytes || new TextEncoder().encode(text).length > maxBytes) {
      return pending.fail(request.id, 'frame_too_large', `the gateway takes ${maxBytes} bytes`)
    }
    request.sent = true
    outlet.send(text)
  }

  return {
    async ask (frame, kind, { id = nextId(), more, onAnswer = () => {} } = {}) {
      if (pending.has(id)) throw new RequestError('bad_request', 'id: a request with it waits for its answer')
      const text = JSON.stringify({ ...frame, id })
      const refused = refusal(kind, text.length)
      if (refused !== null) throw refused
      const written = (): string => more === undefined ? text : JSON.stringify({ ...frame, ...more(), id })
      return await pending.add({ id, text, write: written, kind, onAnswer }, (request) => { if (kind === 'now' || isReleased) write(request) })
    },
    attach (to) { outlet = to },
    release () {
      isReleased = true
      for (const request of pending.all()) if (!request.sent) write(request)
    },
    detach () {
      outlet = null
      isReleased = false
      for (const request of pending.all()) {
        if (request.kind === 'repeatable') request.sent = false
        else if (request.sent) pending.fail(request.id, 'connection_lost', 'the connection ended before the answer')
      }
    },
    answer (frame) {
      const id = idOf(frame)
      const request = id === undefined ? undefined : pending.take(id)
      if (request === undefined) return false
      if (frame.type === 'error') request.reject(toError(frame))
      else {
        request.onAnswer(frame)
        request.resolve(frame)
      }
      return true
    },
    end () {
      isEnded = true
      for (const { id } of pending.all()) pending.fail(id, 'closed', 'the client was closed')
    }
  }
}
