import type { LogEntry } from './log-entry.js'

interface WaitingEntry {
  readonly epoch: string
  readonly entry: LogEntry
  /** How many had come before it. */
  readonly heard: number
}

/** More of them are dropped: they are read from the store instead. */
const MAX_WAITING = 1000
const MAX_WAITING_BYTES = 4_194_304

/** Events that were heard and cannot be given yet: before them is a hole, or the numbering that they belong to is not known. */
export class WaitingEntries {
  /** How many have ever come. */
  heard = 0
  private entries: WaitingEntry[] | null = null
  private bytes = 0

  add (epoch: string, entry: LogEntry): void {
    this.heard++
    this.entries ??= []
    // The last one stays in any case: it says up to where there is something to read.
    while (this.entries.length > 0 && (this.entries.length >= MAX_WAITING || this.bytes + entry.frame.length > MAX_WAITING_BYTES)) {
      this.bytes -= this.entries.shift()?.entry.frame.length ?? 0
    }
    this.entries.push({ epoch, entry, heard: this.heard })
    this.bytes += entry.frame.length
  }

  /** Takes one out that stands at or below the offset that comes next; null: there is none. */
  take (epoch: string, last: number): LogEntry | null {
    const place = this.entries?.findIndex(waiting => waiting.epoch === epoch && waiting.entry.offset <= last + 1) ?? -1
    return place === -1 ? null : this.remove(place)
  }

  /** Lowest offset of an epoch; null: none waits. */
  lowest (epoch: string): number | null {
    let least: number | null = null
    for (const waiting of this.entries ?? []) {
      if (waiting.epoch === epoch && (least === null || waiting.entry.offset < least)) least = waiting.entry.offset
    }
    return least
  }

  hasForeign (epoch: string | null): boolean {
    return this.entries?.some(waiting => waiting.epoch !== epoch) ?? false
  }

  /** Drops those of other epochs that had come by then: the store has said since that another one is in force. */
  dropForeign (epoch: string, heard: number): void {
    if (this.entries === null) return
    for (let place = this.entries.length - 1; place >= 0; place--) {
      const waiting = this.entries[place]
      if (waiting !== undefined && waiting.epoch !== epoch && waiting.heard <= heard) this.remove(place)
    }
  }

  private remove (place: number): LogEntry | null {
    const [removed] = this.entries?.splice(place, 1) ?? []
    if (this.entries?.length === 0) this.entries = null
    this.bytes -= removed?.entry.frame.length ?? 0
    return removed?.entry ?? null
  }
}
