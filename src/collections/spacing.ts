import { SYSTEM_TIMERS, type Timers } from '../timers.js'

/** Keys that are held apart at once; with more, work is done at once for the rest. */
const MAX_KEYS = 10_000

/** Does work for a key at once, and then not again for a while: what is asked for meanwhile is done once, at the end of it. */
export interface Spacing<K> {
  ask (key: K): void
  /** What is still owed is not done. */
  stop (): void
}

/** Makes the spacing. `spacingMs`: from one piece of work for a key to the next. */
export function createSpacing<K> (spacingMs: number, work: (key: K) => void, timers: Pick<Timers, 'after'> = SYSTEM_TIMERS): Spacing<K> {
  const held = new Map<K, { again: boolean, readonly cancel: () => void }>()

  function begin (key: K): void {
    if (held.size < MAX_KEYS) held.set(key, { again: false, cancel: timers.after(spacingMs, () => { end(key) }) })
    work(key)
  }

  function end (key: K): void {
    const again = held.get(key)?.again === true
    held.delete(key)
    if (again) begin(key)
  }

  return {
    ask (key) {
      const entry = held.get(key)
      if (entry === undefined) begin(key)
      else entry.again = true
    },
    stop () {
      for (const { cancel } of held.values()) cancel()
      held.clear()
    }
  }
}
