import { SYSTEM_TIMERS, type Timers } from '../timers.js'

/** Writes a line; `count`: for how many events it stands; `isLatest`: it is written as the latest of them happens. */
export type WriteSample = (count: number, isLatest: boolean) => void

/**
 * Lets some lines of each kind through in a period, and counts the rest. Their count is told when the period ends, as the first line of the
 * next one, or at close.
 */
export interface SampledLines {
  /** Notes events of one kind: 0 or more. Kinds must be bounded in number. `write` is called now, or once for all held back. */
  note (kind: string, times: number, write: WriteSample): void
  /** Tells every count held back, and holds nothing back any more: what is noted later is written at once. No flood may come by then. */
  close (): void
}

export interface SampledLinesOptions {
  readonly periodMs: number
  /** Lines of one kind: 1 or more. */
  readonly mostInPeriod: number
  /** Monotonic, in ms: a clock that is set back would hold lines back for as long. */
  readonly now: () => number
  readonly timers?: Pick<Timers, 'after'>
}

interface Sample { beganAtMs: number, written: number, held: number, write: WriteSample, cancel: (() => void) | null }

/** Makes the sampling of lines that a flood must not multiply. Each kind has a budget of its own, so that none hides another. */
export function createSampledLines ({ periodMs, mostInPeriod, now, timers = SYSTEM_TIMERS }: SampledLinesOptions): SampledLines {
  const samples = new Map<string, Sample>()
  let closed = false

  /** A period begins: nothing is told of the one before any more. */
  function begin (sample: Sample, written: number): void {
    sample.cancel?.()
    Object.assign(sample, { beganAtMs: now(), written, cancel: null })
  }

  function tellHeld (sample: Sample): void {
    const { held } = sample
    sample.held = 0
    if (held > 0) sample.write(held, false)
  }

  function endPeriod (sample: Sample): void {
    begin(sample, sample.held > 0 ? 1 : 0)
    tellHeld(sample)
  }

  return {
    note (kind, times, write) {
      const sample = samples.get(kind) ?? { beganAtMs: -Infinity, written: 0, held: 0, write, cancel: null }
      samples.set(kind, sample)
      const endsInMs = sample.beganAtMs + periodMs - now()
      if (endsInMs <= 0) begin(sample, 0)
      sample.write = write
      // After the close nothing is held back: the log may end before a timer would.
      if (sample.written >= mostInPeriod && !closed) {
        sample.held += times
        sample.cancel ??= timers.after(endsInMs, () => { endPeriod(sample) })
        return
      }
      const count = sample.held + times
      sample.written++
      sample.held = 0
      write(count, true)
    },
    close () {
      closed = true
      for (const sample of samples.values()) {
        sample.cancel?.()
        tellHeld(sample)
      }
    }
  }
}
