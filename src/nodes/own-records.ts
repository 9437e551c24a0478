import { EndedRecords } from './ended-records.js'
import type { NodeStore } from './node-store.js'
import { OrphanRecords } from './orphan-records.js'

export interface OwnRecordsOptions {
  readonly store: Pick<NodeStore, 'listRecords' | 'removeRecords' | 'unclaim'>
  /** The connections that are open now. */
  readonly openIds: () => Iterable<string>
  /** See `ClosedLines`. */
  readonly takeEnded: () => string[]
  /** A connection that has a record is open, or over, this many ms after the record came. */
  readonly pendingMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

/** Keeps this process's records in Redis to those of its connections. */
export interface OwnRecords {
  /** Called with each heartbeat: does what is due. Never rejects. */
  tend (): Promise<void>
  /** A connection is over, and its release has been sent. */
  ended (connectionId: string): void
  /** What was sent to Redis lately may be lost: all records are looked through again. */
  distrust (): void
}

/**
 * A record whose removal was lost would give its connection a second closed line if this process crashed later; so would
 * one of an upgrade that never became a connection. Connections known to have ended around the trouble lose their records
 * with the first heartbeat after it; the records that no connection has are searched for.
 */
export function createOwnRecords ({ store, openIds, takeEnded, pendingMs, now }: OwnRecordsOptions): OwnRecords {
  const endedRecords = new EndedRecords(store)
  const orphans = new OrphanRecords({ store, openIds, pendingMs, now })
  let tending = false

  async function doWhatIsDue (): Promise<void> {
    await endedRecords.removeIfDoubtful()
    const ended = takeEnded()
    if (ended.length > 0) await store.unclaim(ended)
    await orphans.tend()
  }

  return {
    ended (connectionId) { endedRecords.add(connectionId) },
    distrust () {
      orphans.distrust()
      endedRecords.distrust()
    },
    async tend () {
      if (tending) return
      tending = true
      try {
        await doWhatIsDue()
      } catch {
        // Redis is away: later.
        orphans.distrust()
      }
      tending = false
    }
  }
}
