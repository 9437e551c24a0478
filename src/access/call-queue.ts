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

/** Whose turn a call takes: a user's re-checks have turns of their own. */
const turnOf = ({ userId, recheck }: Caller): string => `${recheck ? 'recheck of' : 'user'} ${userId}`

/** Makes the queue: of those for whom there is a place each user has one call after the other user's, in the order of their coming. */
export function createCallQueue ({ groups, lingerMs, now }: CallQueueOptions): CallQueue {
  /** The user who was served longest ago stands first. */
  const turns = new Map<string, Set<Waiting>>()
  const places = new Places()
  const seats = new Places()

  /** Resolves with the groups in which a place was taken. */
  function enter (signal: AbortSignal, caller: Caller): Promise<readonly Group[]> | readonly Group[] {
    if (signal.aborted) throw new AccessError('too_busy', 'no place came free in time')
    const wanted = groups.running(caller)
    if (places.take(wanted)) return wanted
    const seat = groups.waiting(caller)
    if (!seats.take(seat)) throw new AccessError('too_busy', 'too many checks are waiting')
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        leaveTurn(waiting)
        seats.giveBack(seat)
        signal.removeEventListener('abort', giveUp)
      }
      const giveUp = (): void => {
        leave()
        reject(new AccessError('too_busy', 'no place came free in time'))
      }
      const waiting = {
        caller,
        admit (taken: readonly Group[]) {
          leave()
          resolve(taken)
        }
      }
      signal.addEventListener('abort', giveUp, { once: true })
      joinTurn(waiting)
    })
  }

  function joinTurn (waiting: Waiting): void {
    const turn = turnOf(waiting.caller)
    turns.set(turn, (turns.get(turn) ?? new Set()).add(waiting))
  }

  function leaveTurn (waiting: Waiting): void {
    const turn = turnOf(waiting.caller)
    const others = turns.get(turn)
    others?.delete(waiting)
    if (others?.size === 0) turns.delete(turn)
  }

  /** Admits the first of one user's calls for which there is a place; all lists of a user need the same, and so do all others. */
  function admitOne (ofUser: ReadonlySet<Waiting>): boolean {
    const tried = new Set<boolean>()
    for (const { caller, admit } of ofUser) {
      if (tried.has(caller.list)) continue
      tried.add(caller.list)
      const wanted = groups.running(caller)
      if (!places.take(wanted)) continue
      admit(wanted)
      return true
    }
    return false
  }

  /** Admits one call of each user at most, and puts those users last. Whether there was one. */
  function admitRound (): boolean {
    const served = [...turns].filter(([, ofUser]) => admitOne(ofUser))
    for (const [turn] of served) putLast(turn)
    return served.length > 0
  }

  function putLast (turn: string): void {
    const ofUser = turns.get(turn)
    if (ofUser === undefined) return
    turns.delete(turn)
    turns.set(turn, ofUser)
  }

  /** Hands places to those who wait, in the same tick: no newcomer can take one in between. */
  function giveBack (taken: readonly Group[]): void {
    places.giveBack(taken)
    while (admitRound()) { /* until there is no place for anybody who waits */ }
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
        putLast(turnOf(caller))
        if (signal.aborted) linger(caller)
        giveBack([])
      }
    }
  }
}
