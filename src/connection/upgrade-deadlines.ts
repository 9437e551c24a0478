/** Upgrades under way, in the order in which they fall due. One timer for all of them. */
export interface UpgradeDeadlines<T> {
  add (item: T): void
  remove (item: T): void
  /** Those under way now; they may be removed meanwhile. */
  all (): T[]
  readonly size: number
}

/** Calls `onDue` for each item that is still there `deadlineMs` after it was added. `now`: monotonic, in ms. */
export function createUpgradeDeadlines<T> (
  deadlineMs: number, onDue: (item: T) => void, now: () => number = () => performance.now()
): UpgradeDeadlines<T> {
  // Insertion order is due order, as all wait equally long.
  const dueAt = new Map<T, number>()
  let timer: NodeJS.Timeout | null = null

  const sweep = (): void => {
    timer = null
    const nowMs = now()
    try {
      for (const [item, atMs] of dueAt) {
        if (atMs > nowMs) break
        dueAt.delete(item)
        onDue(item)
      }
    } finally {
      arm()
    }
  }
  const arm = (): void => {
    const first = dueAt.values().next()
    if (timer === null && first.done !== true) timer = setTimeout(sweep, Math.max(1, first.value - now())).unref()
  }
  return {
    add (item) { dueAt.set(item, now() + deadlineMs); arm() },
    remove (item) { dueAt.delete(item) },
    all: () => [...dueAt.keys()],
    get size () { return dueAt.size }
  }
}
