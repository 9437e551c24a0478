import { Places, type Group } from '../collections/places.js'
import { AccessError } from './access-error.js'
import type { Caller, CallerGroups } from './caller-groups.js'

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
}

interface Waiting {
  readonly caller: Caller
  readonly admit: (groups: readonly Group[]) => void
}

/** Makes the queue. First come, first served, among those for whom there is a place. */
export function createCallQueue ({ groups, lingerMs, now }: CallQueueOptions): CallQueue {
  const queue = new Set<Waiting>()
  const places = new Places()
  const seats = new Places()

  /** Resolves with the groups in which a place was taken. */
  function enter (signal: AbortSignal, caller: Caller): Promise<readonly Group[]> | readonly Group[] {
    if (signal.aborted) throw new AccessError('no place came free in time')
    const wanted = groups.running(caller)
    if (places.take(wanted)) return wanted
    const seat = groups.waiting(caller)
    if (!seats.take(seat)) throw new AccessError('too many checks are waiting')
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        queue.delete(waiting)
        seats.giveBack(seat)
        signal.removeEventListener('abort', giveUp)
      }
      const giveUp = (): void => {
        leave()
        reject(new AccessError('no place came free in time'))
      }
      const waiting = {
        caller,
        admit (taken: readonly Group[]) {
          leave()
          resolve(taken)
        }
      }
      signal.addEventListener('abort', giveUp, { once: true })
      queue.add(waiting)
    })
  }

  /** Hands places to those who wait, in the same turn: no newcomer can take one in between. */
  function giveBack (taken: readonly Group[]): void {
    places.giveBack(taken)
    for (const { caller, admit } of [...queue]) {
      const wanted = groups.running(caller)
      if (places.take(wanted)) admit(wanted)
    }
  }

  /** Nobody waits for the answer any more, and nothing says that the back end has stopped. */
  function linger (caller: Caller): void {
    const held = groups.lingering(caller)
    if (lingerMs > 0 && places.take(held)) setTimeout(() => { giveBack(held) }, lingerMs).unref()
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
        if (signal.aborted) linger(caller)
        giveBack([])
      }
    }
  }
}
