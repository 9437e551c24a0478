import { isAway, type AwayCause } from '../../redis/failure.js'

export interface Outage {
  /** True while the shared limits must not be asked. */
  isDown (): boolean
  /** Opens the outage, if it is not open. Only what says that the store is away may: see `isAway`. */
  fail (cause: AwayCause): void
  close (): void
}

export interface OutageOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /**
   * Called while the shared limits are down. Resolves when they work again and know what they must. Only a rejection that says
   * that the store is away keeps the outage open: one value of another type must not do so.
   */
  readonly recover: () => Promise<void>
  /** Once when an outage begins. */
  readonly onDegraded: (cause: AwayCause) => void
  /** Once when it has ended, after `downMs`. */
  readonly onRestored: (downMs: number) => void
}

const FIRST_PROBE_MS = 250
const LAST_PROBE_MS = 5000
/** An outage within 10 s of another begins with twice the other's last probe delay: a part that stays broken must not flap. */
const STABLE_MS = 10_000

/** Keeps track of one store being away: after a failure only probes ask it, 0.25 s apart at first and 5 s at last, until one succeeds. */
export function createOutage ({ now, recover, onDegraded, onRestored }: OutageOptions): Outage {
  let downSince: number | null = null
  let restoredAt = -Infinity
  let probeDelayMs = FIRST_PROBE_MS
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const probeLater = (): void => {
    if (!closed) timer = setTimeout(() => { void probe() }, probeDelayMs * (0.75 + Math.random() / 2)).unref()
  }
  const end = (): void => {
    if (closed || downSince === null) return
    const downMs = now() - downSince
    downSince = null
    restoredAt = now()
    onRestored(downMs)
  }
  const probe = async (): Promise<void> => {
    try {
      await recover()
    } catch (error) {
      if (!isAway(error)) return end()
      probeDelayMs = Math.min(LAST_PROBE_MS, probeDelayMs * 2)
      probeLater()
      return
    }
    end()
  }

  return {
    isDown: () => downSince !== null,
    fail (cause) {
      if (downSince !== null || closed) return
      downSince = now()
      probeDelayMs = downSince - restoredAt < STABLE_MS ? Math.min(LAST_PROBE_MS, probeDelayMs * 2) : FIRST_PROBE_MS
      onDegraded(cause)
      probeLater()
    },
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}
