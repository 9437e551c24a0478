import type { Bus, OnBusEvent } from './bus.js'
import { formatBusMessage, parseBusMessage } from './bus-message.js'
import { parseTopic } from './topics.js'

export interface MemoryBus extends Bus {
  /** Brings a message to who listens to a topic, as Redis would on its channel. */
  carry (topic: string, payload: Buffer): void
}

/** The bus of a single process without Redis. Publishing what is no event or topic rejects, as with Redis. */
export function createMemoryBus ({ onEvent }: { readonly onEvent: OnBusEvent }): MemoryBus {
  const listeners = new Map<string, number>()
  let closed = false

  // Never within the publisher's own call, so that an event cannot overtake the frame that its listener is writing.
  const carry = (topic: string, payload: Buffer): void => {
    setImmediate(() => {
      const event = listeners.has(topic) ? parseBusMessage(payload) : 'wrong_shape'
      if (typeof event !== 'string') onEvent(topic, event)
    })
  }

  return {
    carry,
    async subscribe (topic) {
      if (closed) throw new Error('the bus is closed')
      if (parseTopic(topic) === null) throw new TypeError('not a topic')
      listeners.set(topic, (listeners.get(topic) ?? 0) + 1)
    },
    unsubscribe (topic) {
      const count = listeners.get(topic) ?? 0
      if (count > 1) listeners.set(topic, count - 1)
      else listeners.delete(topic)
    },
    async publish (topic, event) {
      if (closed) throw new Error('the bus is closed')
      if (parseTopic(topic) === null) throw new TypeError('not a topic')
      carry(topic, formatBusMessage(event))
    },
    async close () {
      closed = true
      listeners.clear()
    }
  }
}
