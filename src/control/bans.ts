/** A ban and how long it still lasts, in ms. */
export interface LastingBan {
  readonly address: string
  readonly remainingMs: number
}

/** The bans that this process holds by itself, at most `maxEntries`: beyond, those that end first are forgotten. `now` in ms. */
export function createBans (now: () => number, maxEntries: number) {
  const endsAtMs = new Map<string, number>()

  function bannedForMs (address: string): number {
    const end = endsAtMs.get(address)
    return end === undefined ? 0 : Math.max(0, end - now())
  }

  function forgetExpired (): void {
    for (const [address, end] of endsAtMs) if (end <= now()) endsAtMs.delete(address)
  }

  /** Makes a tenth of the room free at once, so that a flood of bans does not sort at each. */
  function makeRoom (): void {
    forgetExpired()
    const surplus = endsAtMs.size - Math.floor(maxEntries * 0.9)
    if (surplus <= 0) return
    const first = [...endsAtMs].sort(([, a], [, b]) => a - b).slice(0, surplus)
    for (const [address] of first) endsAtMs.delete(address)
  }

  return {
    bannedForMs,
    /** Bans from now on, in place of an earlier ban; true when the address was not banned. */
    add ({ address, remainingMs }: LastingBan): boolean {
      const isNew = bannedForMs(address) === 0
      endsAtMs.set(address, now() + remainingMs)
      if (endsAtMs.size > maxEntries) makeRoom()
      return isNew
    },
    remove (address: string): void { endsAtMs.delete(address) },
    /** All that have not ended. */
    list (): LastingBan[] {
      forgetExpired()
      return [...endsAtMs.keys()].map((address) => ({ address, remainingMs: bannedForMs(address) }))
    },
    sweep: forgetExpired,
    size: (): number => endsAtMs.size
  }
}
