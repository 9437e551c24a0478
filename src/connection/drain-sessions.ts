import type { Limiter } from '../limits/limiter.js'
import { refuse } from '../refusals.js'
import type { Registry } from './registry.js'
import type { ResumePasses } from './resume-pass.js'
import { endSession, sendFrame } from './send-end-close.js'
import type { Session } from './session.js'

/** Upgrades that may still become connections while others are sent away. */
export interface Latecomers {
  /** How many are under way. */
  readonly pending: number
  /** Takes no more of them, and refuses those under way. */
  refuse (): void
}

export interface DrainDeps {
  readonly registry: Registry
  readonly latecomers: Latecomers
  readonly limiter: Pick<Limiter, 'vacate'>
  readonly passes: Pick<ResumePasses, 'issue'>
  readonly maxBufferedBytes: number
}

const STEP_MS = 50
/** Clients come back at a random moment within this time after their close; with the handshake they are away for less than 5 s. */
const RECONNECT_SPREAD_MS = 4000
/** The pass outlives the time told to its client by this: networks are slow, and a process may still start. */
const PASS_MARGIN_MS = 60_000
/** The slots are given back before anybody is sent away, unless the store takes longer than this to say so. */
const VACATE_MS = 1000

/** How long a drain lasts. */
export interface DrainTimes {
  /** The connections are ended evenly over this time, and at its end nobody comes in any more. In ms. */
  readonly drainMs: number
  /** Upgrades may come at least until then, although nobody is there; never longer than `drainMs`. In ms. */
  readonly openForMs: number
}

/**
 * Ends every open connection with 1012, evenly over `drainMs`: each is told when to come back by a `closing` frame, at
 * a random moment, so that a deploy is no stampede, and gets a pass by which an office behind one address is not taken
 * for an attack. A connection that comes in meanwhile is one of them. Resolves when none is left and none can come.
 */
export async function drainSessions (deps: DrainDeps, { drainMs, openForMs }: DrainTimes, isUrgent: () => boolean): Promise<void> {
  const { registry, latecomers } = deps
  let lastMs = performance.now()
  const [endAtMs, openUntilMs] = [lastMs + drainMs, lastMs + Math.min(openForMs, drainMs)]
  let [due, isOver] = [0, false]
  while (!isOver) {
    const nowMs = performance.now()
    const isEnd = isUrgent() || nowMs >= endAtMs
    if (isEnd) latecomers.refuse()
    const left = [...registry.all()].filter(session => !session.vacated)
    // What falls to the time since the last step, fractions carried on: few connections are spread like many.
    due = isEnd ? left.length : due + left.length * (nowMs - lastMs) / (endAtMs - lastMs)
    lastMs = nowMs
    const share = left.slice(0, Math.floor(due))
    due -= share.length
    // Marked before anything is asked: a renewal under way must not register again what is given back.
    for (const session of share) session.vacated = true
    await vacate(deps, share)
    for (const session of share) sendAway(deps, session)
    isOver = registry.size === 0 && latecomers.pending === 0 && (isEnd || nowMs >= openUntilMs)
    if (!isOver) await new Promise<void>((resolve) => { setTimeout(resolve, STEP_MS) })
  }
  latecomers.refuse()
}

/** Never rejects, and takes at most `VACATE_MS`. */
async function vacate ({ limiter }: DrainDeps, share: readonly Session[]): Promise<void> {
  if (share.length === 0) return
  let timer: NodeJS.Timeout | undefined
  const givenUp = new Promise<void>((resolve) => { timer = setTimeout(resolve, VACATE_MS) })
  await Promise.race([limiter.vacate(share.map(session => session.lease)), givenUp])
  clearTimeout(timer)
}

function sendAway ({ passes, maxBufferedBytes }: DrainDeps, session: Session): void {
  if (session.ending !== null) return
  const retryAfterMs = Math.floor(Math.random() * RECONNECT_SPREAD_MS)
  const resume = passes.issue(session.identity, session.address.key, retryAfterMs + PASS_MARGIN_MS)
  const pass = resume === null ? {} : { resume }
  sendFrame(session, { type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: retryAfterMs, ...pass }, maxBufferedBytes)
  endSession(session, refuse('restarting', { retryAfterMs }))
}
