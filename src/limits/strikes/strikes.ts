import { MAX_STRUCK_PER_CALL, type CountStrikes } from './counters.js'

/** Counts how often addresses break a limit, also those refused by this process alone. */
export interface Strikes {
  /** Counts one strike; synchronous and cheap. */
  add (address: string): void
  /** Strikes that have not been counted by then are forgotten. */
  close (): void
}

export interface StrikesOptions {
  /** Counts in Redis; null without it. */
  readonly shared: CountStrikes | null
  /** Counts while Redis is away. */
  readonly local: CountStrikes
  /** This address has reached the number of strikes for a ban. */
  readonly onEnough: (address: string) => void
  readonly onFault: (error: unknown) => void
}

/** Strikes are batched for 100 ms, so a flood costs Redis one call instead of one per strike. */
const GATHER_MS = 100
/** Addresses whose strikes wait to be counted. Strikes of further addresses are dropped until these have been counted. */
const MAX_WAITING = 10_000

/** Makes the counter. Its timer runs only while strikes wait. */
export function createStrikes ({ shared, local, onEnough, onFault }: StrikesOptions): Strikes {
  let waiting = new Map<string, number>()
  let timer: NodeJS.Timeout | undefined
  let counting = false
  let closed = false

  async function countAll (all: ReadonlyArray<readonly [string, number]>): Promise<void> {
    let store = shared ?? local
    for (let i = 0; i < all.length; i += MAX_STRUCK_PER_CALL) {
      const part = new Map(all.slice(i, i + MAX_STRUCK_PER_CALL))
      const enough = await store(part).catch(async () => {
        // The store is away: the parts that are left must not wait for one time-out each.
        store = local
        return await local(part)
      })
      if (closed) return
      for (const address of enough) onEnough(address)
    }
  }
  function countSoon (): void {
    if (counting || closed || timer !== undefined || waiting.size === 0) return
    timer = setTimeout(() => {
      timer = undefined
      const all = [...waiting]
      waiting = new Map()
      counting = true
      countAll(all).catch(onFault).finally(() => {
        counting = false
        countSoon()
      })
    }, GATHER_MS).unref()
  }

  return {
    add (address) {
      const count = waiting.get(address) ?? 0
      if (count === 0 && waiting.size >= MAX_WAITING) return
      waiting.set(address, count + 1)
      countSoon()
    },
    close () {
      closed = true
      clearTimeout(timer)
      waiting.clear()
    }
  }
}
