import type { NodeStore } from './node-store.js'

/** Connections that are remembered between two heartbeats; further ones wait for the search for orphans. */
const MAX_REMEMBERED = 100_000

/** The connections that have ended since the last heartbeat: the removal of their records has been sent, and may have been lost. */
export class EndedRecords {
  private lately: string[] = []
  private doubtful = false

  constructor (private readonly store: Pick<NodeStore, 'removeRecords'>) {}

  add (connectionId: string): void { if (this.lately.length < MAX_REMEMBERED) this.lately.push(connectionId) }

  /** What was sent to Redis lately may be lost. */
  distrust (): void { this.doubtful = true }

  /** Called with each heartbeat: forgets these connections; removes their records once more if the first removal may be lost. */
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
