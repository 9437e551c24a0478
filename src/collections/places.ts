/** A group has `most` places: 1 or more. */
export interface Group {
  readonly name: string
  readonly most: number
}

/** Counts who holds a place in which group. A caller needs a place in each of its groups, or gets none. */
export class Places {
  private readonly taken = new Map<string, number>()

  /** Whether there was room in every group; then a place in each is taken. */
  take (groups: readonly Group[]): boolean {
    if (!this.haveRoom(groups)) return false
    for (const { name } of groups) this.taken.set(name, this.takenOf(name) + 1)
    return true
  }

  /** Whether there is room in every group. */
  haveRoom (groups: readonly Group[]): boolean { return groups.every(({ name, most }) => this.takenOf(name) < most) }

  /** Gives the places back: exactly those that were taken. */
  giveBack (groups: readonly Group[]): void {
    for (const { name } of groups) {
      const left = this.takenOf(name) - 1
      if (left > 0) this.taken.set(name, left)
      else this.taken.delete(name)
    }
  }

  private takenOf (name: string): number { return this.taken.get(name) ?? 0 }
}
