import type { History, Publication, Published } from '../history/history.js'
import type { Bus } from './bus.js'

/** Publishes events for all processes. */
export interface Publishing {
  /** An event is known again by its id, so that it is published once however often it is asked for. */
  readonly knowsIds: boolean
  /**
   * Those of one topic keep their order. Each has an outcome of its own, in order; null where it has no position. Rejected: as
   * `outcomeOfOperation` tells, it may have been published all the same.
   */
  publish (publications: readonly Publication[]): Promise<ReadonlyArray<PromiseSettledResult<Published | null>>>
}

/** Publishes so that events have positions and are kept. */
export function publishThroughHistory (history: Pick<History, 'publish'>): Publishing {
  return { knowsIds: true, async publish (publications) { return await history.publish(publications) } }
}

/** Publishes on a bus of the program's own: events have no positions, and nobody knows them again. */
export function publishOnBus (bus: Pick<Bus, 'publish'>): Publishing {
  return {
    knowsIds: false,
    async publish (publications) {
      return await Promise.allSettled(publications.map(async ({ topic, event, data }) => {
        await bus.publish(topic, { event, data })
        return null
      }))
    }
  }
}
