/** Tells when this process has more to do than it can: its event loop is late, so every answer is. */
export interface DelayJudge {
  /** Takes one measurement. `atMs`: monotonic; `delayMs`: how late the event loop was, 0 or more. */
  sample (atMs: number, delayMs: number): void
  isLate (): boolean
}

export interface DelayJudgeOptions {
  /** Once as lateness begins, with the median delay. */
  readonly onLate: (delayMs: number) => void
  /** Once as it has ended, after `lateMs`. */
  readonly onRecovered: (lateMs: number) => void
}

export interface EventLoopWatch {
  /** Starts measuring: not before the process is ready for its work, as loading it blocks the loop. */
  start (): void
  isLate (): boolean
  stop (): void
}

const SAMPLE_EVERY_MS = 50
const WINDOW_MS = 2000
/** Least number of samples that are judged, however old. One or two long pauses are over when they are seen, and refuse nobody. */
const LEAST_SAMPLES = 5
/** At this median delay nobody further is taken in. */
const LATE_MS = 500
/** The median must stay below this for `CALM_FOR_MS`: what was refused relieved the loop, and all at once would bring it back. */
const CALM_MS = 200
const CALM_FOR_MS = 1000

/** Judges by the median of the last two seconds, so that neither a single pause counts nor a few quick turns between long ones. */
export function createDelayJudge ({ onLate, onRecovered }: DelayJudgeOptions): DelayJudge {
  const samples: Array<{ readonly atMs: number, readonly delayMs: number }> = []
  let lateSinceMs: number | null = null
  let calmSinceMs: number | null = null

  function medianMs (atMs: number): number {
    const expired = samples.findIndex(sample => atMs - sample.atMs < WINDOW_MS)
    samples.splice(0, Math.min(expired, samples.length - LEAST_SAMPLES))
    if (samples.length < LEAST_SAMPLES) return 0
    const delays = samples.map(({ delayMs }) => delayMs).sort((a, b) => a - b)
    return delays[Math.floor((delays.length - 1) / 2)] ?? 0
  }

  function recover (atMs: number, sinceMs: number, delayMs: number): void {
    calmSinceMs = delayMs < CALM_MS ? calmSinceMs ?? atMs : null
    if (calmSinceMs === null || atMs - calmSinceMs < CALM_FOR_MS) return
    lateSinceMs = calmSinceMs = null
    onRecovered(atMs - sinceMs)
  }

  return {
    sample (atMs, delayMs) {
      samples.push({ atMs, delayMs })
      const median = medianMs(atMs)
      if (lateSinceMs !== null) recover(atMs, lateSinceMs, median)
      else if (median >= LATE_MS) {
        lateSinceMs = atMs
        onLate(median)
      }
    },
    isLate: () => lateSinceMs !== null
  }
}

/**
 * Measures the event loop of this process by how late one timer comes. The histogram of `monitorEventLoopDelay` cannot: it
 * has no window, and `reset` drops the turn that is under way, which is the late one.
 */
export function createEventLoopWatch (options: DelayJudgeOptions): EventLoopWatch {
  const judge = createDelayJudge(options)
  let timer: NodeJS.Timeout | undefined
  return {
    start () {
      let lastMs = performance.now()
      timer = setInterval(() => {
        const nowMs = performance.now()
        judge.sample(nowMs, Math.max(0, nowMs - lastMs - SAMPLE_EVERY_MS))
        lastMs = nowMs
      }, SAMPLE_EVERY_MS).unref()
    },
    isLate: judge.isLate,
    stop () { clearInterval(timer) }
  }
}
