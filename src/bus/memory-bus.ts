import type { Bus, OnBusEvent } from './bus.js'
import { formatBusMessage } from './bus-message.js'
import { JsonText } from '../wire/json-text.js'
import { parseTopic } from './topics.js'

/** The bus of a single process without Redis. Publishing what is no event or topic rejects, as with Redis. */
export function createMemoryBus ({ onEvent }: { readonly onEvent: OnBusEvent }): Bus {
  const listeners = new Map<string, number>()
  let closed = false

  return {
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
      formatBusMessage(event)
      // As it is now: the publisher's object may change before it is delivered.
      const { event: name, data } = event
      const carried = { event: name, data: JsonText.from(data) }
      // Never within the publisher's own call, so that an event cannot overtake the frame that its listener is writing.
      setImmediate(() => { if (listeners.has(topic)) onEvent(topic, carried) })
    },
    async close () {
      closed = true
      listeners.clear()
    }
  }
}
