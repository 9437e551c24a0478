import type { Clock } from './clock.js'

export interface SilenceWatchOptions {
  /** 0: it never asks. */
  readonly keepAliveMs: number
  /** Sends a ping; rejects when no answer comes in time. */
  readonly ping: () => Promise<unknown>
  readonly onSilent: () => void
  readonly clock: Clock
}

/** Finds out that a connection is dead though nobody closed it. */
export interface SilenceWatch {
  /** A frame came. */
  heard (): void
  /** The network has changed: asks at once. */
  probe (): void
  stop (): void
}

export function createSilenceWatch ({ keepAliveMs, ping, onSilent, clock }: SilenceWatchOptions): SilenceWatch {
  let heardAtMs = clock.now()
  let cancel = (): void => {}
  let isAsking = false
  let isStopped = keepAliveMs === 0

  function plan (): void {
    cancel()
    if (isStopped) return
    cancel = clock.after(Math.max(0, heardAtMs + keepAliveMs - clock.now()), () => {
      if (clock.now() - heardAtMs < keepAliveMs) plan()
      else void ask()
    })
  }
  async function ask (): Promise<void> {
    if (isAsking || isStopped) return
    isAsking = true
    const askedAtMs = clock.now()
    try {
      await ping()
    } catch {
      // An answer that was refused, for too many messages say, is a sign of life as well.
      if (!isStopped && heardAtMs < askedAtMs) return onSilent()
    } finally {
      isAsking = false
    }
    plan()
  }
  plan()
  return {
    heard () { heardAtMs = clock.now() },
    probe () { void ask() },
    stop () {
      isStopped = true
      cancel()
    }
  }
}
