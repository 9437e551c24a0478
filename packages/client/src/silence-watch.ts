export interface SilenceWatchOptions {
  /** 0: it never asks. */
  readonly keepAliveMs: number
  /** Sends a ping; rejects when no answer comes in time. */
  readonly ping: () => Promise<unknown>
  readonly onSilent: () => void
}

/** Finds out that a connection is dead though nobody closed it. */
export interface SilenceWatch {
  /** A frame came. */
  heard (): void
  /** The network has changed: asks at once. */
  probe (): void
  stop (): void
}

export function createSilenceWatch ({ keepAliveMs, ping, onSilent }: SilenceWatchOptions): SilenceWatch {
  let heardAtMs = performance.now()
  let timer: ReturnType<typeof setTimeout> | undefined
  let isAsking = false
  let isStopped = keepAliveMs === 0

  function plan (): void {
    clearTimeout(timer)
    if (isStopped) return
    timer = setTimeout(() => {
      if (performance.now() - heardAtMs < keepAliveMs) plan()
      else void ask()
    }, Math.max(0, heardAtMs + keepAliveMs - performance.now()))
  }
  async function ask (): Promise<void> {
    if (isAsking || isStopped) return
    isAsking = true
    const askedAtMs = performance.now()
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
    heard () { heardAtMs = performance.now() },
    probe () { void ask() },
    stop () {
      isStopped = true
      clearTimeout(timer)
    }
  }
}
