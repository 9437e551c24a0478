/** One upgrade under way, where it waits for its deadline. */
export interface Deadline<T> {
  readonly item: T
  readonly atMs: number
  before: Deadline<T> | null
  after: Deadline<T> | null
}

/** Upgrades under way, in the order in which they fall due. One timer for all of them. */
export interface UpgradeDeadlines<T> {
  /** Gives what `remove` wants. `sinceMs`: when the upgrade came; monotonic. */
  add (item: T, sinceMs: number): Deadline<T>
  /** Does nothing when it is not there any more. */
  remove (deadline: Deadline<T>): void
  /** Those under way now; they may be removed meanwhile. */
  all (): T[]
  readonly size: number
}

/**
 * Calls `onDue` for each item that is still there `deadlineMs` after its upgrade came. `now`: monotonic, in ms.
 *
 * A linked list, as all may take equally long, and hardly one is added behind a younger one. Not a Map: the tables that it
 * outgrows point on to the next ones, and one that has grown old keeps all that came later, contents and all, from the scavenger.
 */
export function createUpgradeDeadlines<T> (
  deadlineMs: number, onDue: (item: T) => void, now: () => number = () => performance.now()
): UpgradeDeadlines<T> {
  let first: Deadline<T> | null = null
  let last: Deadline<T> | null = null
  let size = 0
  let timer: NodeJS.Timeout | null = null

  function add (item: T, sinceMs: number): Deadline<T> {
    const atMs = sinceMs + deadlineMs
    let before = last
    // Where upgrades stand in line the newest may be begun first.
    while (before !== null && before.atMs > atMs) before = before.before
    const deadline: Deadline<T> = { item, atMs, before, after: before === null ? first : before.after }
    if (deadline.after === null) last = deadline
    else deadline.after.before = deadline
    if (before === null) first = deadline
    else before.after = deadline
    size++
    if (timer !== null && before === null) {
      clearTimeout(timer)
      timer = null
    }
    arm()
    return deadline
  }

  function remove (deadline: Deadline<T>): void {
    const { before, after } = deadline
    if (before === null && first !== deadline) return
    if (before === null) first = after
    else before.after = after
    if (after === null) last = before
    else after.before = before
    // What points on would be such a chain as well.
    deadline.before = null
    deadline.after = null
    size--
  }

  function sweep (): void {
    timer = null
    const nowMs = now()
    try {
      for (let due = first; due !== null && due.atMs <= nowMs; due = first) {
        remove(due)
        onDue(due.item)
      }
    } finally {
      arm()
    }
  }

  function arm (): void {
    if (timer === null && first !== null) timer = setTimeout(sweep, Math.max(1, first.atMs - now())).unref()
  }

  function all (): T[] {
    const items: T[] = []
    for (let next = first; next !== null; next = next.after) items.push(next.item)
    return items
  }

  return { add, remove, all, get size () { return size } }
}
