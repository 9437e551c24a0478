import type { Inbound, InboundMessage } from './inbound.js'

export interface MemoryInboundOptions {
  /** Takes each message in order; there is room again when it is done with one. */
  readonly onMessage: (message: InboundMessage) => void | Promise<void>
  /** Messages that `onMessage` may be busy with at once. */
  readonly maxEntries: number
}

/** Inbound messages of a single process without Redis. When `onMessage` fails, so does that message. */
export function createMemoryInbound ({ onMessage, maxEntries }: MemoryInboundOptions): Inbound {
  let held = 0
  let closed = false
  return {
    async append (message) {
      if (closed) throw new Error('inbound is closed')
      if (held >= maxEntries) return 'full'
      held++
      try {
        await onMessage(message)
      } finally {
        held--
      }
      return 'stored'
    },
    close () { closed = true }
  }
}
