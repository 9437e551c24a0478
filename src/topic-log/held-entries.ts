import type { LogEntry } from './log-entry.js'

/** Bytes of frames that all logs of a process hold together. */
export interface HeldBytes { bytes: number }

/** The newest events of a log, consecutive. */
export class HeldEntries {
  private entries: LogEntry[] = []
  /** Bytes of the frames of this log. */
  bytes = 0
  /** What had come when `age` was called last. */
  private agedTo = 0

  constructor (private readonly held: HeldBytes) {}

  get size (): number { return this.entries.length }

  /** One that is held, by its offset; `last`: the offset of the newest. */
  at (offset: number, last: number): LogEntry | undefined { return this.entries[offset - this.first(last)] }

  /** Offset of the oldest that is held; `last + 1`: none is. */
  first (last: number): number { return last - this.entries.length + 1 }

  append (entry: LogEntry): void {
    this.entries.push(entry)
    this.count(entry.frame.length)
  }

  /** Puts older ones in front; false where they do not reach up to what is held. */
  prepend (older: readonly LogEntry[], last: number): boolean {
    const first = this.first(last)
    const fitting = older.filter(({ offset }) => offset < first)
    if (fitting.at(-1)?.offset !== first - 1) return false
    this.entries = [...fitting, ...this.entries]
    for (const { frame } of fitting) this.count(frame.length)
    return true
  }

  /** Forgets what was held already when it was called last. */
  age (last: number): void {
    this.drop(this.agedTo + 1 - this.first(last))
    this.agedTo = last
  }

  forget (): void {
    this.drop(this.entries.length)
  }

  /** Forgets all, as offsets begin anew. */
  restart (): void {
    this.forget()
    this.agedTo = 0
  }

  private count (bytes: number): void {
    this.bytes += bytes
    this.held.bytes += bytes
  }

  private drop (count: number): void {
    if (count <= 0) return
    for (const { frame } of this.entries.splice(0, count)) this.count(-frame.length)
  }
}
