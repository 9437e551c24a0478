/** Those who wait for other processes to settle their grants. Each sweep wakes them, so none of them has a timer. */
export class Sleepers {
  private wakers: Array<() => void> = []
  private closed = false

  constructor (private readonly now: () => number) {}

  /** Sleeps until the first `wake` at or after `timeMs` on the clock of `now`, or until `close`. */
  async sleepUntil (timeMs: number): Promise<void> {
    // Once at least, also when the time has come already: nobody asks the limiter more often than there are sweeps.
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

  /** Wakes all, and lets nobody sleep any more. */
  close (): void {
    this.closed = true
    this.wake()
  }
}
