import type { PendingUpgrade } from './transport.js'

/** An upgrade that waits for its turn. */
export interface Waiting {
  readonly pending: PendingUpgrade
  readonly startedMs: number
  /** Its client has left: it is passed over. */
  isGone: boolean
}

type Abort = (pending: PendingUpgrade, startedMs: number) => void

/** Takes one to what comes next, which hears its client leaving from now on. */
export function leave ({ pending }: Waiting): PendingUpgrade {
  pending.onAborted = null
  return pending
}

/** A queue with two ends. Those who are gone keep their place until an end of it is reached, and count no more. */
export class WaitingLine {
  private items: Waiting[] = []
  private first = 0
  private gone = 0

  /** `abort`: the client left. */
  constructor (private readonly abort: Abort) {}

  get size (): number { return this.items.length - this.first - this.gone }

  get oldest (): Waiting | undefined {
    this.passOverGone()
    return this.items[this.first]
  }

  get newest (): Waiting | undefined {
    while (this.items.at(-1)?.isGone === true && this.items.length > this.first) {
      this.items.pop()
      this.gone--
    }
    return this.items.length > this.first ? this.items.at(-1) : undefined
  }

  add (pending: PendingUpgrade, startedMs: number): void {
    const waiting: Waiting = { pending, startedMs, isGone: false }
    pending.onAborted = () => {
      this.forget(waiting)
      this.abort(pending, startedMs)
    }
    this.items.push(waiting)
  }

  private forget (waiting: Waiting): void {
    waiting.isGone = true
    this.gone++
    if (this.size === 0) this.clear()
  }

  takeOldest (): Waiting | null {
    const waiting = this.oldest
    if (waiting === undefined) return null
    this.first++
    this.tidy()
    return waiting
  }

  takeNewest (): Waiting | null {
    const waiting = this.newest
    if (waiting !== undefined) this.items.pop()
    this.tidy()
    return waiting ?? null
  }

  private passOverGone (): void {
    while (this.items[this.first]?.isGone === true) {
      this.first++
      this.gone--
    }
    this.tidy()
  }

  /** What was taken must not be held for as long as there is a line. */
  private tidy (): void {
    if (this.size === 0) return this.clear()
    if (this.first * 2 <= this.items.length) return
    this.items = this.items.slice(this.first)
    this.first = 0
  }

  private clear (): void {
    this.items = []
    this.first = 0
    this.gone = 0
  }
}

/**
 * Those for whom there is no place in the line, until the turn ends. They can't be refused at once: the native layer corks one socket at
 * a time, that of its callback. An answer to another one would leave in pieces, each a call of the system, and to refuse would cost
 * more than to accept.
 */
export class CrowdedOut {
  private readonly items: Waiting[] = []

  /** `abort`: the client left. */
  constructor (private readonly abort: Abort) {}

  get isEmpty (): boolean { return this.items.length === 0 }

  add (waiting: Waiting | null): void {
    if (waiting === null) return
    this.items.push(waiting)
    waiting.pending.onAborted = () => {
      waiting.isGone = true
      this.abort(waiting.pending, waiting.startedMs)
    }
  }

  /** Gives each that is still there away, once: also where that throws, those after it stay. */
  giveAll (take: (waiting: Waiting) => void): void {
    for (let waiting = this.items.shift(); waiting !== undefined; waiting = this.items.shift()) {
      if (!waiting.isGone) take(waiting)
    }
  }
}
