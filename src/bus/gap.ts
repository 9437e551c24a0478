/** A time in which events of some topics may have been missed. */
export interface Gap {
  /** Topics that were affected. */
  readonly topics: number
  readonly durationMs: number
}

export interface GapHandlers {
  /** Events of this many topics may be missed from now on. Once per gap. */
  readonly onGap?: (topics: number) => void
  /** Every topic is heard again. */
  readonly onGapEnd?: (gap: Gap) => void
}

/** Tells when topics were lost, and when the last of them is heard again or no longer wanted. `now` in ms. */
export function createGapTracker (handlers: GapHandlers, now: () => number) {
  const lost = new Set<string>()
  let affected = 0
  let beganAtMs = 0
  return {
    lose (topics: readonly string[]): void {
      if (topics.length === 0) return
      const begins = lost.size === 0
      if (begins) {
        affected = 0
        beganAtMs = now()
      }
      for (const topic of topics) {
        if (!lost.has(topic)) affected++
        lost.add(topic)
      }
      if (begins) handlers.onGap?.(affected)
    },
    regain (topic: string): void {
      if (!lost.delete(topic) || lost.size > 0) return
      handlers.onGapEnd?.({ topics: affected, durationMs: now() - beganAtMs })
    }
  }
}
