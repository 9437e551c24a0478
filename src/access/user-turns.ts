import type { Caller } from './caller-groups.js'

/** Whose turn a call takes: a user's re-checks have turns of their own. */
const turnOf = ({ userId, recheck }: Caller): string => `${recheck ? 'recheck of' : 'user'} ${userId}`

/** Calls that wait, by user. Users take turns, and each user's calls stand in the order of their coming. */
export class UserTurns<Waiting extends { readonly caller: Caller }> {
  /** The user who was served longest ago stands first. */
  private readonly turns = new Map<string, Set<Waiting>>()

  join (waiting: Waiting): void {
    const turn = turnOf(waiting.caller)
    this.turns.set(turn, (this.turns.get(turn) ?? new Set()).add(waiting))
  }

  leave (waiting: Waiting): void {
    const turn = turnOf(waiting.caller)
    const others = this.turns.get(turn)
    others?.delete(waiting)
    if (others?.size === 0) this.turns.delete(turn)
  }

  /** The user of this call has been served: the others come first. */
  putLast (caller: Caller): void {
    const turn = turnOf(caller)
    const ofUser = this.turns.get(turn)
    if (ofUser === undefined) return
    this.turns.delete(turn)
    this.turns.set(turn, ofUser)
  }

  /** Serves one call of each user at most, by `serve`, which says whose it served; null: nobody's. Whether there was one. */
  serveRound (serve: (ofUser: ReadonlySet<Waiting>) => Caller | null): boolean {
    const served = [...this.turns.values()].flatMap(ofUser => serve(ofUser) ?? [])
    for (const caller of served) this.putLast(caller)
    return served.length > 0
  }
}
