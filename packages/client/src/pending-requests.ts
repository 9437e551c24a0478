import type { Clock } from './clock.js'
import type { ServerFrame } from './frames.js'
import { RequestError } from './request-error.js'

/** Text that may wait for answers, in characters, whatever the number of requests; a single one may be larger. */
const MAX_PENDING_CHARS = 8_388_608

/**
 * `once`: waits for a connection, and fails when that ends before the answer. `repeatable`: is sent again then.
 * `now`: belongs to this connection, passes those that wait, and fails without one.
 */
export type RequestKind = 'once' | 'repeatable' | 'now'

/** It is held until the answer, as a repeatable request is sent again on the next connection. */
export interface PendingRequest {
  readonly id: string
  readonly text: string
  /** What is sent of it now. */
  readonly write: () => string
  readonly kind: RequestKind
  readonly onAnswer: (answer: ServerFrame) => void
  /** Calls off its time limit. */
  readonly cancel: () => void
  readonly resolve: (answer: ServerFrame) => void
  readonly reject: (error: RequestError) => void
  sent: boolean
}

/** What was asked and not answered yet, bounded in number and in text; each is failed after `timeoutMs`. */
export class PendingRequests {
  private readonly byId = new Map<string, PendingRequest>()
  private chars = 0

  constructor (private readonly limits: { readonly maxPending: number, readonly timeoutMs: number, readonly clock: Clock }) {}

  get size (): number { return this.byId.size }

  /** In the order in which they were asked; stands still while they are failed or sent. */
  all (): PendingRequest[] { return [...this.byId.values()] }

  has (id: string): boolean { return this.byId.has(id) }

  /** No room for `chars` characters more. */
  isFullFor (chars: number): boolean {
    return this.byId.size >= this.limits.maxPending || (this.chars > 0 && this.chars + chars > MAX_PENDING_CHARS)
  }

  /** Waits for the answer; `onAdded` is told before this returns. */
  add (asked: Pick<PendingRequest, 'id' | 'text' | 'write' | 'kind' | 'onAnswer'>, onAdded: (request: PendingRequest) => void): Promise<ServerFrame> {
    const { timeoutMs, clock } = this.limits
    const { id, text } = asked
    return new Promise((resolve, reject) => {
      const cancel = clock.after(timeoutMs, () => { this.fail(id, 'timeout', `no answer within ${timeoutMs} ms`) })
      const request: PendingRequest = { ...asked, cancel, resolve, reject, sent: false }
      this.byId.set(id, request)
      this.chars += text.length
      onAdded(request)
    })
  }

  /** Takes it out to settle it; undefined: it was settled before, or never asked. */
  take (id: string): PendingRequest | undefined {
    const request = this.byId.get(id)
    if (request === undefined) return undefined
    this.byId.delete(id)
    this.chars -= request.text.length
    request.cancel()
    return request
  }

  fail (id: string, reason: string, message: string): void {
    this.take(id)?.reject(new RequestError(reason, message))
  }
}
