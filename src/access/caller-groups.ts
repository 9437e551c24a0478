import { LRUCache } from 'lru-cache'
import type { Group } from '../collections/places.js'

/** Who asks, and for what. */
export interface Caller {
  readonly userId: string
  /** All that the user may see is asked for: dearer than named ids. */
  readonly list: boolean
  /** An open connection's rights are checked again. */
  readonly recheck: boolean
}

export interface CallerGroups {
  /** In which groups a call needs a place while it runs. */
  running (caller: Caller): readonly Group[]
  /** Those of them that calls of every user share, re-checks or others: where one is full, no such call can run. */
  shared (recheck: boolean): readonly Group[]
  /** In which groups a call needs a seat while it waits. */
  waiting (caller: Caller): readonly Group[]
  /** What stays taken for a while when the back end may still work on a question that nobody waits for any more. */
  lingering (caller: Caller): readonly Group[]
  /** Notes how long the back end took for a user's question, in ms. */
  noteDuration (userId: string, durationMs: number): void
}

const WAITING_PER_PLACE = 50
/** Slow users that are remembered, and for how long after their last slow question. */
const MAX_SLOW_USERS = 10_000
const SLOW_FOR_MS = 30_000

export interface CallerGroupsOptions {
  /** Calls at once: 1 or more. */
  readonly places: number
  /** A question that takes this long makes its user a slow one, in ms. */
  readonly slowMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
}

/**
 * Divides the places, so that nobody's questions take those of the others: a user holds two at once, all users whose
 * questions were slow hold a quarter together, lists hold a quarter and one user's lists one place, and re-checks have some that
 * nobody else may take. Of ten places: two for a user, two for slow users, two for lists, and four for re-checks, of which two
 * are theirs alone and two may be lists.
 * Nobody, and not all slow users together, takes more than half of the seats for those who wait.
 */
export function createCallerGroups ({ places, slowMs, now }: CallerGroupsOptions): CallerGroups {
  const slowUntilMs = new LRUCache<string, number>({ max: MAX_SLOW_USERS })
  const ofAsking = Math.max(1, places - Math.floor(places / 5))
  const ofRechecks = Math.max(1, Math.floor(places * 2 / 5))
  const halfOfRechecks = Math.max(1, Math.floor(ofRechecks / 2))
  const quarter = Math.max(1, Math.floor(places / 4))
  const perUser = Math.min(2, quarter)
  const seats = places * WAITING_PER_PLACE

  /** One user's lists hold one place, so that those of another never wait for all of them. Lists that are re-checks hold none of theirs. */
  const boundsOfList = ({ userId, recheck }: Caller): Group[] => recheck
    ? [{ name: 'lists of rechecks', most: halfOfRechecks }]
    : [{ name: 'lists', most: quarter }, { name: `lists of ${userId}`, most: 1 }]

  const all = { name: 'all', most: places }
  const shared = { asking: [all, { name: 'asking', most: ofAsking }], rechecks: [all, { name: 'rechecks', most: ofRechecks }] }
  const sharedBy = (recheck: boolean): readonly Group[] => recheck ? shared.rechecks : shared.asking

  const isSlow = (userId: string): boolean => now() < (slowUntilMs.get(userId) ?? -Infinity)

  /** The groups that bound one user, and all slow users together. */
  function boundsOf ({ userId, recheck }: Caller): Group[] {
    const bounds = [{ name: `${recheck ? 'recheck of' : 'user'} ${userId}`, most: recheck ? 1 : perUser }]
    if (!isSlow(userId)) return bounds
    bounds.push(recheck ? { name: 'slow rechecks', most: halfOfRechecks } : { name: 'slow', most: quarter })
    return bounds
  }

  return {
    running (caller) {
      const groups = [...sharedBy(caller.recheck), ...boundsOf(caller)]
      if (caller.list) groups.push(...boundsOfList(caller))
      return groups
    },
    shared: sharedBy,
    waiting: ({ userId, recheck }) => recheck
      ? [{ name: 'rechecks', most: seats }]
      : [{ name: 'asking', most: seats }, { name: isSlow(userId) ? 'slow' : `user ${userId}`, most: seats / 2 }],
    lingering: boundsOf,
    noteDuration (userId, durationMs) {
      // A quick answer takes nothing back: a user may have quick questions between slow ones.
      if (durationMs >= slowMs) slowUntilMs.set(userId, now() + SLOW_FOR_MS)
    }
  }
}
