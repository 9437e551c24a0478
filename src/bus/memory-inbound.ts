import type { Inbound, InboundBounds, InboundMessage } from './inbound.js'
import { inboundCost } from './inbound-cost.js'

export interface MemoryInboundOptions {
  /** Takes each message in order; there is room again when it is done with one. */
  readonly onMessage: (message: InboundMessage) => void | Promise<void>
  /** Of what `onMessage` may be busy with at once. */
  readonly bounds: InboundBounds
}

/** Inbound messages of a single process without Redis. When `onMessage` fails, so does that message. */
export function createMemoryInbound ({ onMessage, bounds }: MemoryInboundOptions): Inbound {
  const userBytes = new Map<string, number>()
  let entries = 0
  let bytes = 0
  let closed = false

  function hold (userId: string, size: number): void {
    const held = (userBytes.get(userId) ?? 0) + size
    if (held === 0) userBytes.delete(userId)
    else userBytes.set(userId, held)
    bytes += size
  }

  return {
    async append (message) {
      if (closed) throw new Error('inbound is closed')
      const { userId } = message
      const size = inboundCost(message)
      if (entries >= bounds.maxEntries || bytes + size > bounds.maxBytes) return 'full'
      if ((userBytes.get(userId) ?? 0) + size > bounds.maxUserBytes) return 'user_full'
      entries++
      hold(userId, size)
      try {
        await onMessage(message)
      } finally {
        entries--
        hold(userId, -size)
      }
      return 'stored'
    },
    close () { closed = true }
  }
}
