import { MAX_STRUCK_PER_CALL, type CountStrikes } from './counters.js'

/** Counts how often addresses break a limit, also where that was seen without asking any store. */
export interface Strikes {
  /** Counts one; synchronous and cheap. */
  add (address: string): void
  /** What has not been counted by then is forgotten. */
  close (): void
}

export interface StrikesOptions {
  /** In Redis; null without it. */
  readonly shared: CountStrikes | null
  /** Counts while Redis is away. */
  readonly local: CountStrikes
  /** This address has had enough of them. */
  readonly onEnough: (address: string) => void
  readonly onFault: (error: unknown) => void
}

/** What so long a time brings is counted together: an attack must not become one on Redis. */
const GATHER_MS = 100
/** Addresses that wait to be counted: beyond, what others do is not counted until these are. */
const MAX_WAITING = 10_000

/** Makes the counter. Its timer runs only while something waits. */
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
        // Away: nobody waits for it once more for each part that is left.
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
