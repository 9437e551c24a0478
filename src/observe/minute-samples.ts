/** A line at first, then one a minute for each kind, with how often it happened. */
const LINE_GAP_MS = 60_000
/** Beyond these, kinds share one sample, so that what a peer words cannot fill the memory. */
const MAX_SAMPLES = 200
const OTHER = 'other'

interface Sample { writtenAtMs: number, count: number }

/** Decides which lines are written of what may happen at each request. */
export class MinuteSamples {
  private readonly samples = new Map<string, Sample>()

  /** `now`: monotonic, in ms. */
  constructor (private readonly now: () => number) {}

  /** Counts `times` more of a kind. How many to write now; null: held back until a minute is over. */
  take (kind: string, times = 1): number | null {
    const key = this.samples.has(kind) || this.samples.size < MAX_SAMPLES ? kind : OTHER
    const sample = this.samples.get(key) ?? { writtenAtMs: -Infinity, count: 0 }
    this.samples.set(key, sample)
    sample.count += times
    if (this.now() - sample.writtenAtMs < LINE_GAP_MS) return null
    const { count } = sample
    sample.writtenAtMs = this.now()
    sample.count = 0
    return count
  }
}
