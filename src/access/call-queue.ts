import { Places, type Group } from '../collections/places.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import { AccessError } from './access-error.js'
import type { Caller, CallerGroups } from './caller-groups.js'
import { UserTurns } from './user-turns.js'

/** Lets a bounded number of calls run, and a bounded number wait. */
export interface CallQueue {
  /** Runs the work once there is a place. Rejects with `AccessError` when too many wait, and when the signal ends the wait. */
  run<T> (signal: AbortSignal, caller: Caller, work: () => Promise<T>): Promise<T>
}

export interface CallQueueOptions {
  readonly groups: CallerGroups
  /**
   * How long a user's place stays taken after a question that was given up and never answered, in ms: a back end may go
   * on working on it.
   */
  readonly lingerMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
  readonly timers?: Pick<Timers, 'after'>
}

interface Waiting {
  readonly caller: Caller
  readonly admit: (groups: readonly Group[]) => void
}

/** Makes the queue: of those for whom there is a place each user has one call after the other user's, in the order of their coming. */
export function createCallQueue ({ groups, lingerMs, now, timers = SYSTEM_TIMERS }: CallQueueOptions): CallQueue {
  const turns = new UserTurns<Waiting>()
  const places = new Places()
  const seats = new Places()

  /** Resolves with the groups in which a place was taken. */
  function enter (signal: AbortSignal, caller: Caller): Promise<readonly Group[]> | readonly Group[] {
    if (signal.aborted) throw new AccessError('too_busy', 'no place came free in time')
    const wanted = groups.running(caller)
    if (places.take(wanted)) return wanted
    const seat = groups.waiting(caller)
    if (!seats.take(seat)) throw new AccessError('too_busy', 'too many checks are waiting')
    return waitForTurn(turns, signal, caller, () => { seats.giveBack(seat) })
  }

  /** Admits the first of one user's calls for which there is a place; all lists of a user need the same, and so do all others. */
  function admitOne (ofUser: ReadonlySet<Waiting>): Caller | null {
    const tried = new Set<boolean>()
    for (const { caller, admit } of ofUser) {
      if (tried.has(caller.list)) continue
      tried.add(caller.list)
      const wanted = groups.running(caller)
      if (!places.take(wanted)) continue
      admit(wanted)
      return caller
    }
    return null
  }

  /** Hands places to those who wait, in the same tick: no newcomer can take one in between. */
  function giveBack (taken: readonly Group[]): void {
    places.giveBack(taken)
    turns.serve(recheck => places.haveRoom(groups.shared(recheck)), admitOne)
  }

  /** Nobody waits for the answer any more, and nothing says that the back end has stopped. */
  function linger (caller: Caller): void {
    const held = groups.lingering(caller)
    if (lingerMs > 0 && places.take(held)) timers.after(lingerMs, () => { giveBack(held) })
  }

  return {
    async run (signal, caller, work) {
      const taken = await enter(signal, caller)
      const startedMs = now()
      try {
        return await work()
      } finally {
        groups.noteDuration(caller.userId, now() - startedMs)
        places.giveBack(taken)
        turns.putLast(caller)
        if (signal.aborted) linger(caller)
        giveBack([])
      }
    }
  }
}

/** Waits until the call is admitted, or its signal ends the wait. `onLeave`: it waits no more, for either reason. */
async function waitForTurn (
  turns: UserTurns<Waiting>, signal: AbortSignal, caller: Caller, onLeave: () => void
): Promise<readonly Group[]> {
  return await new Promise((resolve, reject) => {
    const leave = (): void => {
      turns.leave(waiting)
      onLeave()
      signal.removeEventListener('abort', giveUp)
    }
    const giveUp = (): void => {
      leave()
      reject(new AccessError('too_busy', 'no place came free in time'))
    }
    const waiting: Waiting = {
      caller,
      admit (taken) {
        leave()
        resolve(taken)
      }
    }
    signal.addEventListener('abort', giveUp, { once: true })
    turns.join(waiting)
  })
}
