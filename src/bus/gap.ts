/** A time in which events of some topics may have been missed. */
export interface Gap {
  /** Topics that were affected. */
  readonly topics: number
  /** From the last moment at which all were known to arrive, to the one at which all are heard again, in ms. */
  readonly durationMs: number
}

export interface GapHandlers {
  /** Events of this many topics may have been missed since `sinceMs` (ms since the epoch), and may be from now on. Once per gap. */
  readonly onGap?: (topics: number, sinceMs: number) => void
  /** Every topic is heard again. */
  readonly onGapEnd?: (gap: Gap) => void
}

/** Tells when topics were lost, and when the last of them is heard again or no longer wanted. `now`: ms since the epoch. */
export function createGapTracker (handlers: GapHandlers, now: () => number) {
  const lost = new Set<string>()
  let affected = 0
  let beganAtMs = 0
  return {
    /** `sinceMs`: the last moment at which all of their events were known to arrive, in ms since the epoch. */
    lose (topics: readonly string[], sinceMs: number): void {
      if (topics.length === 0) return
      const begins = lost.size === 0
      if (begins) {
        affected = 0
        beganAtMs = sinceMs
      }
      beganAtMs = Math.min(beganAtMs, sinceMs)
      for (const topic of topics) {
        if (!lost.has(topic)) affected++
        lost.add(topic)
      }
      if (begins) handlers.onGap?.(affected, beganAtMs)
    },
    regain (topic: string): void {
      if (!lost.delete(topic) || lost.size > 0) return
      handlers.onGapEnd?.({ topics: affected, durationMs: now() - beganAtMs })
    }
  }
}
