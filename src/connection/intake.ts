import { refuse, type Refusal } from '../refusals.js'
import type { PendingUpgrade } from './transport.js'
import { CrowdedOut, leave, WaitingLine, type Waiting } from './waiting-line.js'

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
  const line = new WaitingLine(deps.abort)
  const crowdedOut = new CrowdedOut(deps.abort)
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
    line.add(pending, startedMs)
    if (line.size + underWay() > maxPending) crowdedOut.add(line.takeOldest())
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
      crowdedOut.giveAll(refuseCrowded)
      for (let nowMs = startedMs; line.size > 0 && nowMs - startedMs < TURN_MS; nowMs = now()) {
        const waitedMs = nowMs - (line.oldest?.startedMs ?? nowMs)
        const isLate = waitedMs > PATIENCE_MS
        if (isLate && !isBurst && nowMs - (line.newest?.startedMs ?? 0) <= PATIENCE_MS) refuseOldest(TOO_MANY)
        else begin(isLate ? line.takeNewest() : line.takeOldest())
      }
    } finally {
      // Also when one of them threw: the others wait for their turn.
      if (line.size > 0 || !crowdedOut.isEmpty) openTurn(now())
    }
  }

  function begin (waiting: Waiting | null): void {
    if (waiting !== null) deps.begin(leave(waiting), waiting.startedMs)
  }

  function refuseOne (waiting: Waiting | null, refusal: Refusal): void {
    if (waiting !== null) deps.refuse(leave(waiting), waiting.startedMs, refusal)
  }
  const refuseOldest = (refusal: Refusal): void => { refuseOne(line.takeOldest(), refusal) }
  const refuseCrowded = (waiting: Waiting): void => { refuseOne(waiting, NO_PLACE) }

  return {
    take,
    refuseAll (refusal) {
      crowdedOut.giveAll(refuseCrowded)
      while (line.size > 0) refuseOldest(refusal)
    },
    get waiting () { return line.size }
  }
}
