interface Entry {
  readonly atMs: number
  readonly order: number
  call: (() => void) | null
}

const isBefore = (one: Entry, other: Entry): boolean => one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order)

/** Times are whole numbers of these, so that their sums and differences are exact. */
const TICKS_PER_MS = 1024
/** More calls at one moment are an endless loop. */
const MOST_CALLS_AT_ONCE = 100_000

/**
 * Simulated time: what is due is called in its order, and all promises that it settles are worked off before the next. Times in ms
 * since the beginning.
 */
export class Scheduler {
  nowMs = 0
  /** How many calls were made. */
  calls = 0
  private isStopped = false
  private order = 0
  private readonly heap: Entry[] = []

  /** Calls back at a time that is not before now; returns what calls it off. */
  at (atMs: number, call: () => void): () => void {
    const entry: Entry = { atMs: Math.max(Math.ceil(atMs * TICKS_PER_MS) / TICKS_PER_MS, this.nowMs), order: this.order++, call }
    this.push(entry)
    return () => { entry.call = null }
  }

  /** Calls all that is due up to a time, that time included. Rejects with what a call throws. */
  async runUntil (endMs: number): Promise<void> {
    let callsNow = 0
    await new Promise<void>((resolve, reject) => {
      // Microtasks are worked off until none is left before Node turns to its queue of ticks.
      const next = (): void => { process.nextTick(step) }
      const step = (): void => {
        const entry = this.takeDue(endMs)
        if (entry === null) {
          this.nowMs = endMs
          return resolve()
        }
        callsNow = entry.atMs === this.nowMs ? callsNow + 1 : 0
        if (callsNow > MOST_CALLS_AT_ONCE) return reject(new Error(`time stands still at ${this.nowMs}`))
        this.nowMs = entry.atMs
        this.calls++
        try {
          entry.call?.()
        } catch (error) {
          return reject(error instanceof Error ? error : new Error(String(error)))
        }
        queueMicrotask(next)
      }
      next()
    })
  }

  /** Nothing more is called. */
  stop (): void { this.isStopped = true }

  private takeDue (endMs: number): Entry | null {
    while (!this.isStopped) {
      const [first] = this.heap
      if (first === undefined || first.atMs > endMs) return null
      this.pop()
      if (first.call !== null) return first
    }
    return null
  }

  private push (entry: Entry): void {
    const { heap } = this
    let place = heap.length
    heap.push(entry)
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = heap[above]
      if (parent === undefined || isBefore(parent, entry)) break
      heap[place] = parent
      place = above
    }
    heap[place] = entry
  }

  private pop (): void {
    const { heap } = this
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let place = 0
    for (;;) {
      const left = heap[2 * place + 1]
      const right = heap[2 * place + 2]
      const below = left !== undefined && right !== undefined && isBefore(right, left) ? 2 * place + 2 : 2 * place + 1
      const child = heap[below]
      if (child === undefined || isBefore(last, child)) break
      heap[place] = child
      place = below
    }
    heap[place] = last
  }
}
