import { refuse, type Refusal } from '../refusals.js'
import type { PendingUpgrade } from './transport.js'

/** Upgrades that have come and are not begun yet. */
export interface Intake {
  /** Begins an upgrade now, or has it wait until the turns after this one have room for it. */
  take (pending: PendingUpgrade): void
  /** Refuses all that wait. */
  refuseAll (refusal: Refusal): void
  /** How many wait. */
  readonly waiting: number
}

export interface IntakeDeps {
  /** Most upgrades that may wait and be under way together. */
  readonly maxPending: number
  /** Upgrades that were begun and have no outcome yet. */
  readonly underWay: () => number
  /** `startedMs`: when the upgrade came; monotonic. */
  readonly begin: (pending: PendingUpgrade, startedMs: number) => void
  readonly refuse: (pending: PendingUpgrade, startedMs: number, refusal: Refusal) => void
  /** The client left while it waited. */
  readonly abort: (pending: PendingUpgrade, startedMs: number) => void
  /** Monotonic, in ms. */
  readonly now?: () => number
  /** Calls back once this turn's sockets were read, before the next ones are. */
  readonly afterTurn?: (callback: () => void) => void
}

/**
 * How long a turn of the event loop begins upgrades as they come, and how long again those that wait. Then the next turn reads
 * what other sockets sent and what Redis answered, so that nobody who is in, or nearly, waits for those who come.
 */
const TURN_MS = 8
/** Once the oldest has waited longer, the newest are begun first: their clients still wait, and are answered in time. */
const PATIENCE_MS = 25

const NO_PLACE = refuse('overloaded', { retryAfterMs: 1000, detail: 'pending upgrades' })
const TOO_MANY = refuse('overloaded', { retryAfterMs: 1000, detail: 'upgrade rate' })

/**
 * Makes the line before the first step of an upgrade. As long as a turn has room nobody waits. What waits is begun in the next
 * turns. A burst is taken whole. But once more have joined the line than may be pending, more comes than this process can take: it
 * refuses those who have waited too long to be answered in time, before it checks or asks anything for them, and its work goes to
 * those who came last (adaptive LIFO with controlled delay). Where nobody came lately all are begun, however late it is.
 */
export function createIntake (deps: IntakeDeps): Intake {
  const { maxPending, underWay } = deps
  const now = deps.now ?? (() => performance.now())
  const afterTurn = deps.afterTurn ?? setImmediate
  const line = new Line()
  /** Those for whom there was no place: they are refused as the turn ends. */
  const crowdedOut: Waiting[] = []
  let inTurn = false
  let turnStartedMs = 0
  /** How many have joined the line since it began, short breaks left aside; and when somebody stood in it last. */
  let joined = 0
  let lastLineMs = -Infinity

  function take (pending: PendingUpgrade): void {
    const startedMs = now()
    openTurn(startedMs)
    if (line.size === 0 && startedMs - turnStartedMs < TURN_MS) return deps.begin(pending, startedMs)
    // What it refuses empties a line, which is no sign that the process can take what comes.
    if (startedMs - lastLineMs > PATIENCE_MS) joined = 0
    joined++
    lastLineMs = startedMs
    const waiting: Waiting = { pending, startedMs, isGone: false }
    pending.onAborted = () => {
      line.forget(waiting)
      deps.abort(pending, startedMs)
    }
    line.add(waiting)
    if (line.size + underWay() <= maxPending) return
    // Not now: the native layer corks one socket at a time, that of its callback. An answer to another one would leave in pieces, each
    // a call of the system, and to refuse would cost more than to accept.
    const oldest = line.takeOldest()
    if (oldest !== null) crowdOut(oldest)
  }

  function crowdOut (waiting: Waiting): void {
    crowdedOut.push(waiting)
    waiting.pending.onAborted = () => {
      waiting.isGone = true
      deps.abort(waiting.pending, waiting.startedMs)
    }
  }

  function refuseCrowdedOut (): void {
    for (let waiting = crowdedOut.shift(); waiting !== undefined; waiting = crowdedOut.shift()) {
      if (!waiting.isGone) deps.refuse(leave(waiting), waiting.startedMs, NO_PLACE)
    }
  }

  function openTurn (startedMs: number): void {
    if (inTurn) return
    inTurn = true
    turnStartedMs = startedMs
    afterTurn(endTurn)
  }

  function endTurn (): void {
    inTurn = false
    const startedMs = now()
    if (line.size > 0) lastLineMs = startedMs
    const isBurst = joined <= maxPending
    try {
      refuseCrowdedOut()
      for (let nowMs = startedMs; line.size > 0 && nowMs - startedMs < TURN_MS; nowMs = now()) {
        const waitedMs = nowMs - (line.oldest?.startedMs ?? nowMs)
        const isLate = waitedMs > PATIENCE_MS
        if (isLate && !isBurst && nowMs - (line.newest?.startedMs ?? 0) <= PATIENCE_MS) refuseOldest(TOO_MANY)
        else begin(isLate ? line.takeNewest() : line.takeOldest())
      }
    } finally {
      // Also when one of them threw: the others wait for their turn.
      if (line.size + crowdedOut.length > 0) openTurn(now())
    }
  }

  function begin (waiting: Waiting | null): void {
    if (waiting !== null) deps.begin(leave(waiting), waiting.startedMs)
  }

  function refuseOldest (refusal: Refusal): void {
    const waiting = line.takeOldest()
    if (waiting !== null) deps.refuse(leave(waiting), waiting.startedMs, refusal)
  }

  return {
    take,
    refuseAll (refusal) {
      refuseCrowdedOut()
      while (line.size > 0) refuseOldest(refusal)
    },
    get waiting () { return line.size }
  }
}

interface Waiting {
  readonly pending: PendingUpgrade
  readonly startedMs: number
  /** Its client has left: it is passed over. */
  isGone: boolean
}

/** Its client is heard leaving by what comes next. */
function leave ({ pending }: Waiting): PendingUpgrade {
  pending.onAborted = null
  return pending
}

/** A queue with two ends. Those who are gone keep their place until an end of it is reached, and count no more. */
class Line {
  private items: Waiting[] = []
  private first = 0
  private gone = 0

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

  add (waiting: Waiting): void {
    this.items.push(waiting)
  }

  forget (waiting: Waiting): void {
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
