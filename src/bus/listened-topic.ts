import { SmallSet } from '../collections/one-or-several.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import type { Timers } from '../timers.js'

interface Waiter {
  resolve (): void
  reject (error: Error): void
}

/** A topic with a listener, or with one a moment ago: which of its channels Redis has confirmed, and who waits for that. */
export class ListenedTopic {
  listeners = 0
  /** Channels that Redis has not confirmed, one bit each. */
  private missing: number
  /** Null while nobody waits: a process has very many topics. */
  private waiters: SmallSet<Waiter> | null = null

  /** `channels`: 1 to 30 of them. */
  constructor (readonly name: string, readonly channels: readonly string[]) {
    this.missing = (1 << channels.length) - 1
  }

  /** Every event published from now on arrives. */
  get isHeard (): boolean { return this.missing === 0 }

  confirm (channel: string): void {
    this.missing &= ~this.bitOf(channel)
    if (!this.isHeard) return
    for (const waiter of this.takeWaiters()) waiter.resolve()
  }

  lose (channel: string): void {
    this.missing |= this.bitOf(channel)
  }

  /** Waits until Redis confirms. A listener that gave up waiting still counts, and is heard late, until it unsubscribes. */
  async waitUntilHeard (timeoutMs: number, after?: Timers['after']): Promise<void> {
    const waiters = this.waiters ??= new SmallSet()
    let forget = (): void => {}
    const confirmed = new Promise<void>((resolve, reject) => {
      const waiter: Waiter = { resolve, reject }
      waiters.add(waiter)
      forget = () => { waiters.remove(waiter) }
    })
    try {
      await waitAtMost(confirmed, timeoutMs, 'subscribing', after)
    } finally {
      forget()
    }
  }

  rejectWaiters (error: Error): void {
    for (const waiter of this.takeWaiters()) waiter.reject(error)
  }

  private takeWaiters (): Iterable<Waiter> {
    const waiting = this.waiters?.members() ?? []
    this.waiters = null
    return waiting
  }

  private bitOf (channel: string): number {
    return 1 << this.channels.indexOf(channel)
  }
}
