import type { Bus, BusHandlers } from './bus.js'
import { formatBusMessage, parseBusMessage } from './bus-message.js'
import { parseTopic } from './topics.js'

export interface MemoryBus extends Bus {
  /** Brings a message to who listens to a topic, as Redis would on its channel. */
  carry (topic: string, payload: Buffer): void
}

/** The bus of a single process without Redis. Publishing what is no event or topic rejects, as with Redis. */
export function createMemoryBus (handlers: BusHandlers): MemoryBus {
  const listeners = new Map<string, number>()
  let closed = false

  function hear (topic: string, payload: Buffer): void {
    if (!listeners.has(topic)) return
    const { event, place } = parseBusMessage(payload)
    if (typeof event !== 'string') handlers.onEvent(topic, event, place)
    else if (place !== null) handlers.onBlank?.(topic, place)
  }

  // Never within the publisher's own call, so that an event cannot overtake the frame that its listener is writing.
  const carry = (topic: string, payload: Buffer): void => { setImmediate(hear, topic, payload) }

  return {
    carry,
    async subscribe (topic) {
      if (closed) throw new Error('the bus is closed')
      if (parseTopic(topic) === null) throw new TypeError('not a topic')
      const count = listeners.get(topic) ?? 0
      listeners.set(topic, count + 1)
      if (count === 0) handlers.onHeard?.(topic)
    },
    unsubscribe (topic) {
      const count = listeners.get(topic) ?? 0
      if (count > 1) listeners.set(topic, count - 1)
      else if (listeners.delete(topic)) handlers.onLeft?.(topic)
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
