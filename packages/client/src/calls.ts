import type { Calls } from './client.js'
import type { EventTypes } from './event-types.js'
import type { SubscribedFrame, UnsubscribedFrame } from './frames.js'
import type { Pause } from './pause.js'
import type { Recovery } from './recovery.js'
import { RequestError } from './request-error.js'
import type { Requests } from './requests.js'
import { subscribeAll } from './subscribe-all.js'
import { checkLast, checkLists, checkMessage, toFilterLists, toTopics } from './topics.js'
import type { Wanted } from './wanted.js'

export interface CallsOptions {
  readonly requests: Requests
  readonly wanted: Wanted
  readonly recovery: Recovery
  readonly eventTypes: EventTypes
  /** Ids that a list may hold, as far as it is known now. */
  readonly maxIds: () => number
  /** Waits, at most until the client ends. */
  readonly pause: Pause
}

/** Checks what is asked for, asks for it over the connections of a client, and remembers what came of it. */
export function createCalls ({ requests, wanted, recovery, eventTypes, maxIds, pause }: CallsOptions): Calls {
  return {
    async subscribe ({ eventTypes: narrowed, last, ...filters }) {
      checkLists({ ...filters, eventTypes: narrowed })
      checkLast(last)
      const topics = toTopics(filters)
      if (topics.length === 0 && narrowed === undefined) throw new RequestError('bad_request', 'nothing to subscribe to')
      const answer = await subscribeAll({
        ...{ topics, wanted, recovery, last, eventTypes: narrowed, maxIds, pause },
        ask: async (frame, options) => await requests.ask(frame, 'repeatable', options) as SubscribedFrame | UnsubscribedFrame
      })
      if (narrowed !== undefined) eventTypes.confirm(narrowed)
      return answer
    },
    async unsubscribe (filters) {
      checkLists({ ...filters })
      const topics = toTopics(filters)
      wanted.remove(filters)
      recovery.forget(topics)
      // A subscribe that was asked for earlier has been confirmed meanwhile.
      const onAnswer = (): void => { wanted.remove(filters) }
      return await requests.ask({ type: 'unsubscribe', ...toFilterLists(topics) }, 'repeatable', { onAnswer }) as UnsubscribedFrame
    },
    async send (to, data, { id } = {}) {
      checkMessage(to, data, id)
      await requests.ask({ type: 'send', to, data }, 'once', { id })
    }
  }
}
