import type { NodeStore } from './node-store.js'

export interface OwnRecordsOptions {
  readonly store: Pick<NodeStore, 'listRecords' | 'removeRecords' | 'unclaim'>
  /** The connections that are open now. */
  readonly openIds: () => Iterable<string>
  /** See `ClosedLines`. */
  readonly takeEnded: () => string[]
  /** A connection that has a record is open, or over, after so long. */
  readonly pendingMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

/** Keeps this process's records in Redis to those of its connections. */
export interface OwnRecords {
  /** Called with each heartbeat: does what is due. Never rejects. */
  tend (): Promise<void>
  /** A connection is over, and its record was asked to go. */
  ended (connectionId: string): void
  /** What was sent to Redis lately may be lost: all records are looked at again. */
  distrust (): void
}

/** Without any trouble, they are looked at all the same after so many heartbeats. */
const BEATS_BETWEEN_LOOKS = 20
/** Ends between two heartbeats that are remembered one by one; the rest waits for a look. */
const MAX_REMEMBERED = 100_000

/**
 * A record whose removal was lost would give its connection a second closed line if this process crashed later; so would
 * one of an upgrade that never became a connection. A record without a connection goes when it still has none after
 * `pendingMs`: ids are used once. Those known to have ended around the trouble go with the first heartbeat after it.
 */
export function createOwnRecords ({ store, openIds, takeEnded, pendingMs, now }: OwnRecordsOptions): OwnRecords {
  let distrusted = false
  let beats = 0
  let strangers: readonly string[] | null = null
  let foundAtMs = 0
  let tending = false
  let troubled = false
  let lately: string[] = []

  async function findStrangers (): Promise<readonly string[]> {
    return withoutOpen(await store.listRecords())
  }
  function withoutOpen (ids: readonly string[]): readonly string[] {
    const open = new Set(openIds())
    return ids.filter(id => !open.has(id))
  }

  async function look (): Promise<void> {
    beats = 0
    distrusted = false
    const found = await findStrangers()
    foundAtMs = now()
    strangers = found.length > 0 ? found : null
  }

  async function removeEnded (): Promise<void> {
    const [over, mayBeLost] = [lately, troubled]
    lately = []
    troubled = false
    if (!mayBeLost || over.length === 0) return
    try {
      await store.removeRecords(over)
    } catch (error) {
      lately = [...over, ...lately].slice(0, MAX_REMEMBERED)
      troubled = true
      throw error
    }
  }

  async function doWhatIsDue (): Promise<void> {
    await removeEnded()
    const ended = takeEnded()
    if (ended.length > 0) await store.unclaim(ended)
    beats++
    if (strangers === null) {
      if (distrusted || beats >= BEATS_BETWEEN_LOOKS) await look()
    } else if (now() - foundAtMs >= pendingMs) {
      await store.removeRecords(withoutOpen(strangers))
      strangers = null
    }
  }

  return {
    ended (connectionId) { if (lately.length < MAX_REMEMBERED) lately.push(connectionId) },
    distrust () {
      distrusted = true
      troubled = true
    },
    async tend () {
      if (tending) return
      tending = true
      try {
        await doWhatIsDue()
      } catch {
        // Redis is away: later.
        distrusted = true
      }
      tending = false
    }
  }
}
