import type { Authorizer } from '../access/authorizer.js'
import { createGenerations } from '../collections/generations.js'
import { createSpacing } from '../collections/spacing.js'
import { atMostLongestTimer } from '../longest-timer.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import { checkRights } from './check-rights.js'
import { RightsGroups } from './rights-groups.js'
import { createTurns } from './rights-turns.js'
import type { Session } from './session.js'
import { isPersonal } from './topics.js'

/** After this many periods without an answer, the rights may no longer hold. */
const MAX_UNVERIFIED_PERIODS = 3
const MIN_UNVERIFIED_MS = 15_000
const TICK_PARTS = 20
const MIN_TICK_MS = 50
/** Orders for one user within this time, in ms, are one: a trigger may say it for each row that changed. */
const SPACING_MS = 1000

/** Keeps asking whether open connections may still see what they listen to. */
export interface Rights {
  /** Starts the periodic re-check: once per claims set, spread over the period, never from a cache. */
  start (handlers: RightsHandlers): void
  add (session: Session): void
  remove (session: Session): void
  /** A new token: regroups the connection and checks it at once. */
  recheckSoon (session: Session): void
  /**
   * Checks every connection of a user, or of all (null), at once: the back end said that something changed. What it says
   * again within a second is done once, at the end of that second; nothing is answered from memory meanwhile.
   */
  recheck (userId: string | null): void
  /** Is another one after each word that a user's rights changed: an answer that was asked for before is out of date. */
  generationOf (userId: string): number
  /** Ends every connection that hears anything but its user's own topic, or is about to: nothing that was granted counts. */
  endAll (): void
  stop (): void
}

export interface RightsHandlers {
  /** A connection may no longer see these topics. */
  readonly withdraw: (session: Session, lost: readonly string[]) => void
  /** The rights could not be checked for too long: the connection must not go on. */
  readonly unverifiable: (session: Session) => void
}

export interface RightsDeps {
  readonly authorizer: Authorizer
  readonly periodMs: number
  readonly onFault: (error: unknown) => void
  /** Monotonic, in ms. */
  readonly now?: () => number
  /** Orders for one user within this time, in ms, are one; a second unless given. */
  readonly spacingMs?: number
  readonly timers?: Pick<Timers, 'after'>
  /** 0 or more, below 1. */
  readonly random?: () => number
}

/** Before the start there is nobody to tell. */
const NOBODY: RightsHandlers = { withdraw () {}, unverifiable () {} }

/** Makes the re-check of one process; `start` begins it. */
export function createRights (deps: RightsDeps): Rights {
  const { authorizer, periodMs, onFault, now = () => performance.now(), spacingMs = SPACING_MS } = deps
  const { timers = SYSTEM_TIMERS, random = Math.random } = deps
  const groups = new RightsGroups(periodMs, now, random)
  const maxUnverifiedMs = Math.max(MIN_UNVERIFIED_MS, MAX_UNVERIFIED_PERIODS * periodMs)
  const turns = createTurns({
    check: group => checkRights({ authorizer, ...handlers, maxUnverifiedMs, now }, group),
    nextDueMs: () => now() + periodMs,
    onFault,
    now
  })
  const generations = createGenerations()
  const orders = createSpacing<string | null>(spacingMs, (userId) => {
    generations.bump(userId)
    for (const group of userId === null ? groups.all() : groups.ofUser(userId)) turns.take(group, userId !== null)
  }, timers)
  let handlers = NOBODY
  const tickMs = atMostLongestTimer(Math.max(MIN_TICK_MS, periodMs / TICK_PARTS))
  let cancel: (() => void) | undefined

  function checkDue (): void {
    cancel = timers.after(tickMs, checkDue)
    const nowMs = now()
    for (const group of groups.all()) if (group.dueAtMs <= nowMs) turns.take(group, false)
  }

  return {
    start (started) {
      handlers = started
      // What a token says cannot change while it is open, so there is nothing to ask again; a refresh brings a new one.
      if (!authorizer.local) cancel ??= timers.after(tickMs, checkDue)
    },
    add (session) { if (!authorizer.local) groups.add(session) },
    remove (session) { groups.remove(session) },
    recheckSoon (session) {
      groups.remove(session)
      turns.take(authorizer.local ? groups.single(session) : groups.add(session), true)
    },
    generationOf: generations.of,
    recheck (userId) {
      authorizer.forget(userId)
      orders.ask(userId)
    },
    endAll () {
      generations.bump(null)
      for (const { sessions } of [...groups.all()]) {
        for (const session of [...sessions]) if (session.work !== null || hearsMore(session)) handlers.unverifiable(session)
      }
    },
    stop () {
      cancel?.()
      orders.stop()
    }
  }
}

/** Hears something that its user needs a right for. */
function hearsMore ({ topics }: Session): boolean {
  for (const topic of topics) if (!isPersonal(topic)) return true
  return false
}
