import type { Bus } from '../bus/bus.js'
import type { Delivery } from './deliver.js'
import type { Session } from './session.js'

/** Attaches connections to topics, and holds their subscriptions of the bus. */
export interface Listening {
  /**
   * Listens to topics; true once the bus has confirmed all that the connection still holds. On failure the topics that were
   * new are left again.
   */
  listen (session: Session, topics: readonly string[]): Promise<boolean>
  /** The same, but what is new stays attached, and is heard as soon as the bus is there. */
  listenAndStay (session: Session, topics: readonly string[]): Promise<boolean>
  /** Resolves once the bus has confirmed all that the connection still holds of these topics; asks it for as long as it takes. */
  untilConfirmed (session: Session, topics: readonly string[]): Promise<void>
  stopListening (session: Session, topics: Iterable<string>): void
}

/** Topics that were new to the connection, and whether the bus has confirmed all. */
interface Attached { readonly fresh: ReadonlySet<string>, readonly confirmed: boolean }

const RETRY_MS = 200

export function createListening (bus: Bus, delivery: Delivery): Listening {
  /**
   * Attaches before the bus confirms: an event may come early, none may be missed. A topic that the connection holds
   * already is confirmed anew, as the bus may have lost it.
   */
  async function attach (session: Session, topics: readonly string[]): Promise<Attached> {
    const fresh = new Set(topics.filter(topic => delivery.attach(session, topic)))
    const results = await Promise.allSettled(topics.map(async (topic) => {
      try {
        await bus.subscribe(topic)
      } finally {
        if (!fresh.has(topic)) bus.unsubscribe(topic)
      }
    }))
    // What was withdrawn meanwhile has been left already, and is no reason to fail the rest.
    return { fresh, confirmed: results.every((result, n) => result.status === 'fulfilled' || !session.topics.has(topics[n] ?? '')) }
  }

  function stopListening (session: Session, topics: Iterable<string>): void {
    for (const topic of topics) {
      if (delivery.detach(session, topic)) bus.unsubscribe(topic)
    }
  }

  return {
    async listen (session, topics) {
      const { fresh, confirmed } = await attach(session, topics)
      if (!confirmed) stopListening(session, fresh)
      return confirmed
    },
    listenAndStay: async (session, topics) => (await attach(session, topics)).confirmed,
    async untilConfirmed (session, topics) {
      let confirmed = false
      while (!confirmed) {
        await new Promise<void>((resolve) => { setTimeout(resolve, RETRY_MS).unref() })
        // What has ended holds nothing any more, and what was withdrawn or left must not come back.
        confirmed = (await attach(session, topics.filter(topic => session.topics.has(topic)))).confirmed
      }
    },
    stopListening
  }
}
