/** Holds answers back for a moment, a bounded number of them at once. */
export interface HeldBack {
  /** Resolves after the delay; null: too many wait already, and the caller must not wait. */
  wait (): Promise<void> | null
}

export interface HeldBackOptions {
  /** Answers that wait at once: 1 or more. */
  readonly max: number
  readonly delayMs: number
}

/** Makes what delays answers. Each one that waits is a timer and an open request, which an attacker must not have at will. */
export function createHeldBack ({ max, delayMs }: HeldBackOptions): HeldBack {
  let waiting = 0
  return {
    wait () {
      if (waiting >= max) return null
      waiting++
      return new Promise((resolve) => {
        setTimeout(() => {
          waiting--
          resolve()
        }, delayMs).unref()
      })
    }
  }
}
