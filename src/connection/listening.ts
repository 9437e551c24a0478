import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import type { TopicLogs } from '../topic-log/topic-logs.js'
import type { Delivery } from './deliver.js'
import { findBeginnings, tellBeginnings, type Told, type Wish } from './recover.js'
import type { Replays } from './replays.js'
import type { Report } from './report.js'
import type { Session } from './session.js'

/** Attaches connections to topics, and holds their subscriptions of the logs. */
export interface Listening {
  /**
   * Listens to topics; resolves once the logs of all that the connection still holds are open, with those that were new, or with
   * null: then these have been left again.
   */
  listen (session: Session, topics: readonly string[]): Promise<boolean>
  /** The same, but what is new stays attached, and is heard as soon as the bus is there. */
  listenAndStay (session: Session, topics: readonly string[]): Promise<boolean>
  /** Resolves once all that the connection still holds of these topics is heard; asks for as long as it takes. */
  untilConfirmed (session: Session, topics: readonly string[]): Promise<void>
  /**
   * Begins with the topics that the connection listens to and gets nothing of yet, as it wishes: `tell` writes the answer, in the
   * turn in which they begin. Rejects when what came before cannot be read.
   */
  begin (session: Session, topics: readonly string[], wish: Wish, tell: (told: Told) => void): Promise<void>
  stopListening (session: Session, topics: Iterable<string>): void
}

/** Topics that were new to the connection, and whether the bus has confirmed all. */
interface Attached { readonly fresh: ReadonlySet<string>, readonly confirmed: boolean }

export interface ListeningDeps {
  readonly logs: Pick<TopicLogs, 'subscribe' | 'unsubscribe' | 'reach' | 'reachLast' | 'positionOf'>
  readonly delivery: Pick<Delivery, 'attach' | 'detach'>
  readonly replays: Pick<Replays, 'start'>
  readonly report: Pick<Report, 'recovery'>
  readonly timers?: Pick<Timers, 'after'>
}

const RETRY_MS = 200

export function createListening ({ logs, delivery, replays, report, timers = SYSTEM_TIMERS }: ListeningDeps): Listening {
  /**
   * Attaches before the bus confirms, so that what is withdrawn meanwhile is found. A topic that the connection holds
   * already is confirmed anew, as the bus may have lost it.
   */
  async function attach (session: Session, topics: readonly string[]): Promise<Attached> {
    const fresh = new Set(topics.filter(topic => delivery.attach(session, topic)))
    const results = await Promise.allSettled(topics.map(async (topic) => {
      try {
        await logs.subscribe(topic)
      } finally {
        if (!fresh.has(topic)) logs.unsubscribe(topic)
      }
    }))
    // What was withdrawn meanwhile has been left already, and is no reason to fail the rest.
    return { fresh, confirmed: results.every((result, n) => result.status === 'fulfilled' || !session.topics.has(topics[n] ?? '')) }
  }

  function stopListening (session: Session, topics: Iterable<string>): void {
    for (const topic of topics) {
      if (delivery.detach(session, topic)) logs.unsubscribe(topic)
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
        await new Promise<void>((resolve) => { timers.after(RETRY_MS, resolve) })
        // What has ended holds nothing any more, and what was withdrawn or left must not come back.
        confirmed = (await attach(session, topics.filter(topic => session.topics.has(topic)))).confirmed
      }
    },
    async begin (session, topics, wish, tell) {
      const isNew = (topic: string): boolean => session.held?.get(topic)?.isRunning === false
      const found = await findBeginnings(logs, topics.filter(isNew), wish)
      if (session.ending !== null) return
      const { told, beginnings } = tellBeginnings(logs, found, wish, isNew)
      session.socket.together(() => {
        tell(told)
        for (const isRecovered of Object.values(told.recovered)) report.recovery(isRecovered)
        for (const [topic, from] of beginnings) replays.start(session, topic, from, logs.positionOf(topic)?.offset ?? 0)
      })
    },
    stopListening
  }
}
