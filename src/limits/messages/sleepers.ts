/** Waits of this process for other processes to settle their grants. Each sweep wakes all of them, so none needs a timer. */
export class Sleepers {
  private wakers: Array<() => void> = []
  private closed = false

  constructor (private readonly now: () => number) {}

  /** Sleeps until the first `wake` at or after `timeMs` on the clock of `now`, or until `close`. */
  async sleepUntil (timeMs: number): Promise<void> {
    // Sleeps once at least, also when the time has come already: the limiter is asked no more often than there are sweeps.
    while (!this.closed) {
      await new Promise<void>((resolve) => { this.wakers.push(resolve) })
      if (this.now() >= timeMs) return
    }
  }

  wake (): void {
    const woken = this.wakers
    this.wakers = []
    for (const wake of woken) wake()
  }

  /** Wakes all; later calls of `sleepUntil` return at once. */
  close (): void {
    this.closed = true
    this.wake()
  }
}
