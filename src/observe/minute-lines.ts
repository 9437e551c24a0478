import { createSampledLines, type SampledLines } from './sampled-lines.js'

const MINUTE_MS = 60_000
/** Beyond these, kinds share one budget, so that what a peer words cannot fill the memory. */
const MAX_KINDS = 200
const OTHER = 'other'

/** Lines of what may happen at each request: of each kind one at first, then one a minute. `now`: monotonic, in ms. */
export function createMinuteLines (now: () => number): SampledLines {
  const lines = createSampledLines({ periodMs: MINUTE_MS, mostInPeriod: 1, now })
  const kinds = new Set<string>()
  return {
    note (kind, times, write) {
      const key = kinds.has(kind) || kinds.size < MAX_KINDS ? kind : OTHER
      kinds.add(key)
      lines.note(key, times, write)
    },
    close: lines.close
  }
}
