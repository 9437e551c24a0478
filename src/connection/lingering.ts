export interface Lingering {
  /** Sockets that may still be open. */
  readonly count: number
  /** Takes one more in; false: there are too many. */
  add (): boolean
}

export interface LingeringOptions {
  /** Sockets at once: 1 or more. */
  readonly max: number
  /** How long one may stay open, in ms. */
  readonly lingerMs: number
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/**
 * Counts sockets that we have closed and that may still be open: the native layer forgets a WebSocket when it sends the
 * close frame, and the client may keep the TCP connection. Nothing tells when it goes, so each counts as long as it can last.
 */
export function createLingering ({ max, lingerMs, now = () => performance.now() }: LingeringOptions): Lingering {
  let closedAtMs: number[] = []
  /** Where those begin that still count. */
  let first = 0

  function forget (): void {
    const untilMs = now() - lingerMs
    while (first < closedAtMs.length && (closedAtMs[first] ?? 0) <= untilMs) first++
    if (first > max) {
      closedAtMs = closedAtMs.slice(first)
      first = 0
    }
  }

  return {
    get count () {
      forget()
      return closedAtMs.length - first
    },
    add () {
      forget()
      if (closedAtMs.length - first >= max) return false
      closedAtMs.push(now())
      return true
    }
  }
}
