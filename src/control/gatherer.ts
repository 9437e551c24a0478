export interface GathererOptions<T> {
  /** Reads what was gathered; must not reject. False: it could not. */
  readonly read: (entries: readonly T[]) => Promise<boolean>
  /** More was asked for than is read one by one, or it could not be read: everything is to be read instead. */
  readonly readAll: () => void
  readonly waitMs?: number
  readonly maxEntries?: number
}

const WAIT_MS = 50
const MAX_ENTRIES = 500

/** Entries that are to be read again, gathered for 50 ms: each is read once, and a flood of them costs one full reading. */
export class Gatherer<T> {
  private entries = new Map<string, T>()
  private overflowed = false
  private busy = false
  private closed = false
  private timer: NodeJS.Timeout | undefined

  constructor (private readonly options: GathererOptions<T>) {}

  add (key: string, entry: T): void {
    if (this.closed) return
    const { maxEntries = MAX_ENTRIES } = this.options
    if (this.entries.has(key) || this.entries.size < maxEntries) this.entries.set(key, entry)
    else this.overflowed = true
    this.wait()
  }

  close (): void {
    this.closed = true
    clearTimeout(this.timer)
  }

  private wait (): void {
    if (this.busy || this.closed) return
    this.timer ??= setTimeout(() => { void this.flush() }, this.options.waitMs ?? WAIT_MS)
  }

  private async flush (): Promise<void> {
    const entries = [...this.entries.values()]
    const overflowed = this.overflowed
    this.timer = undefined
    this.entries = new Map()
    this.overflowed = false
    this.busy = true
    const done = await this.options.read(entries)
    this.busy = false
    if (this.closed) return
    if (overflowed || !done) this.options.readAll()
    if (this.entries.size > 0) this.wait()
  }
}
