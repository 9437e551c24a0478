import { createAddressBlocks } from './address-blocks.js'
import { GRANT_LAPSE_MS, type Grant, type GrantSettlement, type Limiter } from './limiter.js'

/** Whether one frame may pass. */
export type Passage =
  | { readonly granted: true }
  | { readonly granted: false, readonly retryAfterMs: number }

/** The message limit as one process sees it: grants of the addresses' windows, spent locally. */
export interface MessageBudget {
  /** Spends one message of a grant at hand. False: none, or frames of this address are waiting; then `request`. */
  spend (address: string): boolean
  /** Waits for one message. Answers of one address come in the order of asking. Rejects when the limiter does. */
  request (address: string): Promise<Passage>
  /** Gives back what is left and refuses what comes later. Frames that wait are answered by their call. */
  close (): void
  /** Addresses with a grant outstanding or frames waiting. */
  readonly size: number
}

export interface MessageBudgetOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Frames of one address that may wait at once; more are refused. */
  readonly maxWaiting?: number
}

interface Waiting {
  readonly resolve: (passage: Passage) => void
  readonly reject: (error: unknown) => void
}

/** What this process holds of one address's window. */
interface Purse {
  readonly address: string
  grant: Grant | null
  askedAt: number
  spent: number
  lastSpentAt: number
  /** How many to take along next time: 0 for who sends now and then, more for a burst. */
  spare: number
  calling: boolean
  readonly waiting: Waiting[]
}

const MAX_WAITING = 10_000
const FIRST_SPARE = 16
const SPARE_GROWTH = 4
const MAX_SPARE = 256
const SWEEP_MS = 250
/** What a frame is told that finds too many waiting before it, or the budget closed. */
const CROWDED: Passage = { granted: false, retryAfterMs: 1000 }
const GRANTED: Passage = { granted: true }

/** Makes the budget of one process on top of its limiter. Its one timer runs while grants are outstanding. */
export function createMessageBudget (limiter: Limiter, { now, maxWaiting = MAX_WAITING }: MessageBudgetOptions): MessageBudget {
  // In the order of `askedAt`, so that the sweep stops at the first that has not lapsed.
  const purses = new Map<string, Purse>()
  const blocks = createAddressBlocks({ now })
  let sweeping: NodeJS.Timeout | undefined
  let closed = false

  const spendFrom = (purse: Purse): boolean => {
    if (purse.grant === null || purse.spent >= purse.grant.granted) return false
    const at = now()
    if (at - purse.askedAt >= GRANT_LAPSE_MS) return false
    purse.spent++
    purse.lastSpentAt = at
    return true
  }
  const sweep = (): void => {
    const oldest = now() - GRANT_LAPSE_MS
    const settled: GrantSettlement[] = []
    for (const purse of purses.values()) {
      if (purse.askedAt > oldest) break
      if (purse.calling) continue
      collectSettlement(purse, settled)
      purses.delete(purse.address)
    }
    if (settled.length > 0) limiter.settle(settled)
    if (purses.size > 0) return
    clearInterval(sweeping)
    sweeping = undefined
  }
  const openPurse = (address: string): Purse => {
    const purse: Purse = { address, grant: null, askedAt: 0, spent: 0, lastSpentAt: 0, spare: 0, calling: false, waiting: [] }
    purses.set(address, purse)
    sweeping ??= setInterval(sweep, SWEEP_MS).unref()
    return purse
  }
  const take = async (purse: Purse): Promise<void> => {
    const demand = purse.waiting.length
    const settled: GrantSettlement[] = []
    const spare = chooseSpare(purse, now())
    collectSettlement(purse, settled)
    purse.spare = spare
    purse.askedAt = now()
    purses.delete(purse.address)
    purses.set(purse.address, purse)
    const grant = await limiter.takeGrant({ address: purse.address, demand, spare }, settled)
    purse.grant = grant
    purse.spent = Math.min(demand, grant.granted)
    purse.lastSpentAt = purse.askedAt
    for (const frame of purse.waiting.splice(0, purse.spent)) frame.resolve(GRANTED)
    if (grant.granted >= demand) return
    blocks.block(purse.address, grant.retryAfterMs)
    const refused: Passage = { granted: false, retryAfterMs: grant.retryAfterMs }
    for (const frame of purse.waiting.splice(0)) frame.resolve(refused)
  }
  /** One call at a time, until nothing waits. */
  const serve = async (purse: Purse): Promise<void> => {
    purse.calling = true
    try {
      while (purse.waiting.length > 0) {
        if (spendFrom(purse)) purse.waiting.shift()?.resolve(GRANTED)
        else await take(purse)
      }
    } catch (error) {
      for (const frame of purse.waiting.splice(0)) frame.reject(error)
    } finally {
      purse.calling = false
    }
  }

  return {
    spend (address) {
      const purse = purses.get(address)
      // While frames wait for a call the purse is empty: nobody overtakes them.
      return purse !== undefined && spendFrom(purse)
    },
    async request (address) {
      const retryAfterMs = blocks.blockedForMs(address)
      if (retryAfterMs > 0) return { granted: false, retryAfterMs }
      if (closed) return CROWDED
      const purse = purses.get(address) ?? openPurse(address)
      if (purse.waiting.length >= maxWaiting) return CROWDED
      return await new Promise((resolve, reject) => {
        purse.waiting.push({ resolve, reject })
        if (!purse.calling) void serve(purse)
      })
    },
    close () {
      closed = true
      clearInterval(sweeping)
      const settled: GrantSettlement[] = []
      for (const purse of purses.values()) if (!purse.calling) collectSettlement(purse, settled)
      purses.clear()
      if (settled.length > 0) limiter.settle(settled)
    },
    get size () { return purses.size }
  }
}

/** More while grants are used up before they lapse; as many as the last one saw used, when it was not. */
function chooseSpare (purse: Purse, now: number): number {
  if (purse.grant === null) return purse.spare
  const usedUp = purse.spent >= purse.grant.granted
  if (!usedUp) return Math.min(MAX_SPARE, Math.max(0, purse.spent - 1))
  if (now - purse.askedAt >= GRANT_LAPSE_MS) return 0
  return Math.min(MAX_SPARE, Math.max(FIRST_SPARE, purse.spare * SPARE_GROWTH))
}

/** Takes the grant out of the purse. One that was taken for waiting frames only stands where it belongs already. */
function collectSettlement (purse: Purse, settled: GrantSettlement[]): void {
  const { grant, address, spent, spare } = purse
  purse.grant = null
  if (grant === null || grant.granted === 0 || spare === 0) return
  settled.push({ address, id: grant.id, granted: grant.granted, spent, lastSpentMs: purse.lastSpentAt - purse.askedAt })
}
