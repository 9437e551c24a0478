import { steadyNow } from '../clocks.js'
import type { Session } from './session.js'
import { SessionList } from './session-list.js'

const SECOND_MS = 1000

export type OnDue = (session: Session, nowMs: number) => void

/** Holds each connection at the second in which something about it falls due. One timer for the process. */
export interface DeadlineWheel {
  /** Calls `onDue` soon after the second a connection was scheduled for; the connection is off the wheel by then. */
  start (onDue: OnDue): void
  /** Moves the connection to the first whole second at or after `atMs`. */
  schedule (session: Session, atMs: number): void
  remove (session: Session): void
  stop (): void
}

/** Makes the wheel; it turns from `start` on. `now`: the steady clock, so that nobody's deadline moves when the machine's clock is set. */
export function createDeadlineWheel (now: () => number = steadyNow): DeadlineWheel {
  const slots = new Map<number, SessionList>()
  let lastS = Math.floor(now() / SECOND_MS)
  let timer: NodeJS.Timeout | undefined
  let onDue: OnDue = () => {}

  /** One connection's fault must not cost the others their deadlines: it goes where uncaught errors go. */
  const fire = (session: Session, nowMs: number): void => {
    session.wheelS = 0
    try {
      onDue(session, nowMs)
    } catch (error) {
      setImmediate(() => { throw error })
    }
  }
  const tick = (): void => {
    const nowMs = now()
    const currentS = Math.floor(nowMs / SECOND_MS)
    // A late timer must not skip the seconds in between; after a long pause, walk the slots instead of the seconds.
    const due = currentS - lastS > slots.size
      ? [...slots.keys()].filter(second => second <= currentS)
      : Array.from({ length: Math.max(0, currentS - lastS) }, (_, index) => lastS + 1 + index)
    lastS = currentS
    for (const second of due) {
      const sessions = slots.get(second)
      slots.delete(second)
      for (const session of sessions ?? []) fire(session, nowMs)
    }
    arm()
  }
  const arm = (): void => {
    timer = setTimeout(tick, SECOND_MS - now() % SECOND_MS + 1)
    timer.unref()
  }

  const remove = (session: Session): void => {
    const slot = slots.get(session.wheelS)
    slot?.remove(session)
    if (slot?.size === 0) slots.delete(session.wheelS)
    session.wheelS = 0
  }
  return {
    start (started) {
      onDue = started
      arm()
    },
    schedule (session, atMs) {
      remove(session)
      const second = Math.max(Math.ceil(atMs / SECOND_MS), lastS + 1)
      if (!Number.isSafeInteger(second)) return
      session.wheelS = second
      const slot = slots.get(second)
      const list = slot ?? new SessionList('wheelPlace')
      if (slot === undefined) slots.set(second, list)
      list.add(session)
    },
    remove,
    stop: () => { clearTimeout(timer) }
  }
}
