import type { Authorizer } from '../access/authorizer.js'
import { checkRights } from './check-rights.js'
import { RightsGroups, type RightsGroup } from './rights-groups.js'
import type { Session } from './session.js'

/** Checks at the same time, per process: a re-check must not crowd out the checks of those who connect. */
const MAX_CONCURRENT = 4
/** After this many periods without an answer, the rights may no longer hold. */
const MAX_UNVERIFIED_PERIODS = 3
const MIN_UNVERIFIED_MS = 15_000
const TICK_PARTS = 20
const MIN_TICK_MS = 50

/** Keeps asking whether open connections may still see what they listen to. */
export interface Rights {
  add (session: Session): void
  remove (session: Session): void
  /** A new token: regroups the connection and checks it at once. */
  recheckSoon (session: Session): void
  /** Checks every connection of a user, or of all, at once: the back end said that something changed. */
  recheck (userId: string | null): void
  /** Goes up with each word that rights changed: an answer that was asked for before is out of date. */
  readonly generation: number
  stop (): void
}

export interface RightsDeps {
  readonly authorizer: Authorizer
  readonly periodMs: number
  readonly withdraw: (session: Session, lost: readonly string[]) => void
  /** The rights could not be checked for too long: the connection must not go on. */
  readonly unverifiable: (session: Session) => void
  readonly onFault: (error: unknown) => void
  /** Monotonic, in ms. */
  readonly now?: () => number
}

/** Starts the periodic re-check: once per claims set, spread over the period, never from a cache. */
export function startRights ({ authorizer, periodMs, withdraw, unverifiable, onFault, now = () => performance.now() }: RightsDeps): Rights {
  const groups = new RightsGroups(periodMs, now)
  const maxUnverifiedMs = Math.max(MIN_UNVERIFIED_MS, MAX_UNVERIFIED_PERIODS * periodMs)
  const checkSoon = createTurns({
    check: group => checkRights({ authorizer, withdraw, unverifiable, maxUnverifiedMs, now }, group),
    nextDueMs: () => now() + periodMs,
    onFault
  })
  let generation = 0

  /** What a token says cannot change while it is open, so there is nothing to ask again; a refresh brings a new one. */
  const timer = authorizer.local
    ? null
    : setInterval(() => {
      const nowMs = now()
      for (const group of groups.all()) if (group.dueAtMs <= nowMs) checkSoon(group)
    }, Math.max(MIN_TICK_MS, periodMs / TICK_PARTS))
  timer?.unref()

  return {
    add (session) { if (!authorizer.local) groups.add(session) },
    remove (session) { groups.remove(session) },
    recheckSoon (session) {
      groups.remove(session)
      checkSoon(authorizer.local ? groups.single(session) : groups.add(session))
    },
    get generation () { return generation },
    recheck (userId) {
      generation++
      authorizer.forget()
      for (const group of groups.all()) {
        const [sample] = group.sessions
        if (sample !== undefined && (userId === null || sample.identity.userId === userId)) checkSoon(group)
      }
    },
    stop () { if (timer !== null) clearInterval(timer) }
  }
}

interface TurnDeps {
  readonly check: (group: RightsGroup) => Promise<void>
  /** When a group that takes its turn now is due again. */
  readonly nextDueMs: () => number
  readonly onFault: (error: unknown) => void
}

/** Lets a few checks run at once and the others wait. A group asked for while its check runs is checked once more after it. */
function createTurns ({ check, nextDueMs, onFault }: TurnDeps): (group: RightsGroup) => void {
  const ready: RightsGroup[] = []
  let running = 0

  function takeTurn (group: RightsGroup): void {
    if (group.checking) {
      group.again = true
      return
    }
    group.checking = true
    group.dueAtMs = nextDueMs()
    ready.push(group)
    next()
  }
  function next (): void {
    while (running < MAX_CONCURRENT && ready.length > 0) {
      const group = ready.shift()
      if (group === undefined) return
      running++
      check(group).catch(onFault).finally(() => {
        running--
        group.checking = false
        if (group.again) {
          group.again = false
          takeTurn(group)
        }
        next()
      })
    }
  }
  return takeTurn
}
