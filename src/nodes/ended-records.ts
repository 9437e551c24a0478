import type { NodeStore } from './node-store.js'

/** Ends between two heartbeats that are remembered one by one; the rest waits for the search for orphans. */
const MAX_REMEMBERED = 100_000

/** The connections that have ended since the last heartbeat: their records were asked to go, and may not have gone. */
export class EndedRecords {
  private lately: string[] = []
  private doubtful = false

  constructor (private readonly store: Pick<NodeStore, 'removeRecords'>) {}

  add (connectionId: string): void { if (this.lately.length < MAX_REMEMBERED) this.lately.push(connectionId) }

  /** What was sent to Redis lately may be lost. */
  distrust (): void { this.doubtful = true }

  /** Called with each heartbeat: forgets those that have ended, after having removed their records again if those may still be there. */
  async removeIfDoubtful (): Promise<void> {
    const [over, mayBeThere] = [this.lately, this.doubtful]
    this.lately = []
    this.doubtful = false
    if (!mayBeThere || over.length === 0) return
    try {
      await this.store.removeRecords(over)
    } catch (error) {
      this.lately = [...over, ...this.lately].slice(0, MAX_REMEMBERED)
      this.doubtful = true
      throw error
    }
  }
}
