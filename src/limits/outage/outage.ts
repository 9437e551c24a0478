import { RedisTimeout } from '../../redis/bounded-wait.js'

/** Why the shared limits cannot be used: a bounded vocabulary, without Redis's own words. */
export type OutageReason = 'timeout' | 'unreachable' | 'read_only' | 'loading' | 'out_of_memory' | 'cluster_down' | 'denied' | 'error'

export interface Outage {
  /** True while the shared limits must not be asked. */
  isDown (): boolean
  /** Tells that a call has failed: opens the outage, if it is not open. */
  fail (error: unknown): void
  close (): void
}

export interface OutageOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Resolves when the shared limits work again and know what they must; rejects when not. Called while they are down. */
  readonly recover: () => Promise<void>
  /** Once when an outage begins. */
  readonly onDegraded: (reason: OutageReason) => void
  /** Once when it has ended, after `downMs`. */
  readonly onRestored: (downMs: number) => void
}

const FIRST_PROBE_MS = 250
const LAST_PROBE_MS = 5000
/** An outage within 10 s of another begins with twice the other's last probe delay: a part that stays broken must not flap. */
const STABLE_MS = 10_000

const REASONS: ReadonlyArray<readonly [RegExp, OutageReason]> = [
  [/timed out|socket timeout/i, 'timeout'],
  [/\bREADONLY\b/, 'read_only'],
  [/^(LOADING|BUSY|MASTERDOWN)/, 'loading'],
  [/^(OOM|MISCONF|NOREPLICAS)/, 'out_of_memory'],
  [/^(CLUSTERDOWN|TRYAGAIN|Too many Cluster redirections|Cluster isn't ready|None of startup nodes)/, 'cluster_down'],
  [/^(NOAUTH|WRONGPASS|NOPERM)/, 'denied'],
  [/Connection is closed|isn't writeable|ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|ENOTFOUND|max retries per request/i, 'unreachable']
]

/** Names a failure of Redis. */
export function nameFailure (error: unknown): OutageReason {
  if (error instanceof RedisTimeout) return 'timeout'
  const message = error instanceof Error ? error.message : ''
  return REASONS.find(([pattern]) => pattern.test(message))?.[1] ?? 'error'
}

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
  const probe = async (): Promise<void> => {
    try {
      await recover()
    } catch {
      probeDelayMs = Math.min(LAST_PROBE_MS, probeDelayMs * 2)
      probeLater()
      return
    }
    if (closed || downSince === null) return
    const downMs = now() - downSince
    downSince = null
    restoredAt = now()
    onRestored(downMs)
  }

  return {
    isDown: () => downSince !== null,
    fail (error) {
      if (downSince !== null || closed) return
      downSince = now()
      probeDelayMs = downSince - restoredAt < STABLE_MS ? Math.min(LAST_PROBE_MS, probeDelayMs * 2) : FIRST_PROBE_MS
      onDegraded(nameFailure(error))
      probeLater()
    },
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}
