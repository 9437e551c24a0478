import type { TopicHandlers } from '../topic-log/topic-logs.js'
import type { Delivery } from './deliver.js'
import type { Replays } from './replays.js'

/** What is heard goes to the live connections, and moves those on whose live events are held back. */
export function toTopicHandlers (delivery: Delivery, replays: Replays): TopicHandlers {
  return {
    onEntry (topic, entry) { if (delivery.deliver(topic, entry)) replays.moveOn(topic) },
    onPlain: delivery.deliverPlain,
    onGap (topic, position) {
      delivery.tellGap(topic, position)
      replays.moveOn(topic)
    },
    onOpen: replays.moveOn
  }
}
