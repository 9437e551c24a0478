import type { Caller } from './caller-groups.js'

/** Whose turn a call takes: a user's re-checks have turns of their own. */
const turnOf = ({ userId, recheck }: Caller): string => `${recheck ? 'recheck of' : 'user'} ${userId}`

interface Turn<Waiting> {
  readonly recheck: boolean
  readonly calls: Set<Waiting>
}

/** Calls that wait, by user. Users take turns, and each user's calls stand in the order of their coming. */
export class UserTurns<Waiting extends { readonly caller: Caller }> {
  /** The user who was served longest ago stands first. */
  private readonly turns = new Map<string, Turn<Waiting>>()
  /** How many of the turns are re-checks. */
  private rechecks = 0

  join (waiting: Waiting): void {
    const { recheck } = waiting.caller
    const name = turnOf(waiting.caller)
    const turn = this.turns.get(name)
    if (turn !== undefined) {
      turn.calls.add(waiting)
      return
    }
    this.turns.set(name, { recheck, calls: new Set([waiting]) })
    if (recheck) this.rechecks++
  }

  leave (waiting: Waiting): void {
    const name = turnOf(waiting.caller)
    const turn = this.turns.get(name)
    if (turn?.calls.delete(waiting) !== true || turn.calls.size > 0) return
    this.turns.delete(name)
    if (turn.recheck) this.rechecks--
  }

  /** The user of this call has been served: the others come first. */
  putLast (caller: Caller): void {
    const name = turnOf(caller)
    const turn = this.turns.get(name)
    if (turn === undefined) return
    this.turns.delete(name)
    this.turns.set(name, turn)
  }

  /**
   * Serves those who wait, by `serve`, which says whose call it served; null: nobody's. `hasRoom`: whether any re-check, or any
   * other call, could be served. A thousand may wait for each place that comes free: they are not looked at once it is taken.
   */
  serve (hasRoom: (recheck: boolean) => boolean, serve: (ofUser: ReadonlySet<Waiting>) => Caller | null): void {
    const isOpen = (recheck: boolean): boolean => (recheck ? this.rechecks : this.turns.size - this.rechecks) > 0 && hasRoom(recheck)
    let open = { asking: isOpen(false), rechecks: isOpen(true) }
    // Who was served stands last then, and is met again after all others: in a Map that is the order of its walk.
    for (const { recheck, calls } of this.turns.values()) {
      if (!open.asking && !open.rechecks) return
      if (!(recheck ? open.rechecks : open.asking)) continue
      const served = serve(calls)
      if (served === null) continue
      this.putLast(served)
      open = { asking: isOpen(false), rechecks: isOpen(true) }
    }
  }
}
