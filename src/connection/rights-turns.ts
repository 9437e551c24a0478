import { Places, type Group } from '../collections/places.js'
import type { RightsGroup } from './rights-groups.js'

/** Checks at the same time, per process: a re-check must not crowd out the checks of those who connect. */
const MAX_CONCURRENT = 4
/** Of these, for all whose last check took `SLOW_MS` or more together: the others must not wait for them. */
const MAX_SLOW = 2
const SLOW_MS = 1000

export interface TurnsDeps {
  readonly check: (group: RightsGroup) => Promise<void>
  /** When a group that takes its turn now is due again. */
  readonly nextDueMs: () => number
  readonly onFault: (error: unknown) => void
  /** Monotonic, in ms. */
  readonly now: () => number
}

/** Lets a few checks run at once, one of each user, and the others wait. */
export interface Turns {
  /**
   * Has the group checked. A group asked for while its check runs is checked once more after it. `urgent`: somebody said
   * that its rights changed; those and the ones that are only due take turns.
   */
  take (group: RightsGroup, urgent: boolean): void
}

/** Makes the turns. */
export function createTurns ({ check, nextDueMs, onFault, now }: TurnsDeps): Turns {
  const urgent = new Set<RightsGroup>()
  const due = new Set<RightsGroup>()
  const places = new Places()
  let [first, second] = [urgent, due]
  let running = 0

  const placesOf = ({ userId, slow }: RightsGroup): Group[] =>
    [{ name: `user ${userId}`, most: 1 }, ...(slow ? [{ name: 'slow', most: MAX_SLOW }] : [])]

  function take (group: RightsGroup, isUrgent: boolean): void {
    if (group.turn === 'checking') {
      group.again = true
      return
    }
    group.turn = 'waiting'
    group.dueAtMs = nextDueMs()
    if (isUrgent) due.delete(group)
    if (isUrgent || !urgent.has(group)) (isUrgent ? urgent : due).add(group)
    startNext()
  }

  function startNext (): void {
    if (running === MAX_CONCURRENT || !(startFrom(first) || startFrom(second))) return
    [first, second] = [second, first]
    startNext()
  }

  /** Starts the group that has waited longest of those for which there is a place. */
  function startFrom (waiting: Set<RightsGroup>): boolean {
    for (const group of waiting) {
      const taken = placesOf(group)
      if (!places.take(taken)) continue
      waiting.delete(group)
      start(group, taken)
      return true
    }
    return false
  }

  function start (group: RightsGroup, taken: readonly Group[]): void {
    running++
    group.turn = 'checking'
    const startedMs = now()
    check(group).catch(onFault).finally(() => {
      running--
      places.giveBack(taken)
      group.turn = 'none'
      group.slow = now() - startedMs >= SLOW_MS
      if (group.again) {
        group.again = false
        take(group, true)
      }
      startNext()
    })
  }

  return { take }
}
