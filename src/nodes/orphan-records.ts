import type { NodeStore } from './node-store.js'

export interface OrphanRecordsOptions {
  readonly store: Pick<NodeStore, 'listRecords' | 'removeRecords'>
  /** The connections that are open now. */
  readonly openIds: () => Iterable<string>
  /** A connection that has a record is open, or over, this many ms after the record came. */
  readonly pendingMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

/** Without any trouble, this process's records are looked through all the same after this many heartbeats. */
const BEATS_BETWEEN_SEARCHES = 20

/**
 * This process's records in Redis that none of its open connections has. Such a record goes when it still has no connection
 * after `pendingMs`: until then its upgrade may be under way. Ids are used once.
 */
export class OrphanRecords {
  private distrusted = false
  private beats = 0
  private suspects: readonly string[] | null = null
  private foundAtMs = 0

  constructor (private readonly options: OrphanRecordsOptions) {}

  /** What was sent to Redis lately may be lost: all records are looked through again. */
  distrust (): void { this.distrusted = true }

  /** Called with each heartbeat: searches, or removes what a search has found, when that is due. Rejects when Redis does not answer. */
  async tend (): Promise<void> {
    const { store, pendingMs, now } = this.options
    this.beats++
    if (this.suspects === null) {
      if (this.distrusted || this.beats >= BEATS_BETWEEN_SEARCHES) await this.search()
    } else if (now() - this.foundAtMs >= pendingMs) {
      await store.removeRecords(this.withoutOpen(this.suspects))
      this.suspects = null
    }
  }

  private async search (): Promise<void> {
    this.beats = 0
    this.distrusted = false
    const found = this.withoutOpen(await this.options.store.listRecords())
    this.foundAtMs = this.options.now()
    this.suspects = found.length > 0 ? found : null
  }

  private withoutOpen (ids: readonly string[]): readonly string[] {
    const open = new Set(this.options.openIds())
    return ids.filter(id => !open.has(id))
  }
}
