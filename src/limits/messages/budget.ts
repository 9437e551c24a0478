import { createAddressBlocks } from '../address-blocks.js'
import { GRANT_LAPSE_MS, GRANT_SETTLE_MS, type Grant, type GrantSettlement, type Limiter } from '../limiter.js'
import { chooseSpare, collectSettlement, createPurse, refuseWaiting, type Passage, type Purse } from './purse.js'

export type { Passage }

/** The message limit as one process sees it: grants of the addresses' windows, spent locally. */
export interface MessageBudget {
  /** Spends one message of a grant at hand. False: none, or frames of this address are waiting; then `request`. */
  spend (address: string): boolean
  /**
   * Waits for one message: for a call, and at most about `GRANT_SETTLE_MS` longer when the window is full only because
   * others hold what they have not spent. Answers of one address come in the order of asking. Rejects when the limiter does.
   */
  request (address: string): Promise<Passage>
  /** Gives back what is left and refuses what comes later. Frames that wait for a call are answered by it. */
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

const MAX_WAITING = 10_000
const SWEEP_MS = 250
/** What a frame is told that finds too many waiting before it, or the budget closed. */
const CROWDED_RETRY_MS = 1000
const CROWDED: Passage = { granted: false, retryAfterMs: CROWDED_RETRY_MS }
const GRANTED: Passage = { granted: true }

/** Makes the budget of one process on top of its limiter. Its one timer runs while grants are outstanding. */
export function createMessageBudget (limiter: Limiter, { now, maxWaiting = MAX_WAITING }: MessageBudgetOptions): MessageBudget {
  // In the order of `askedAt`, so that the sweep stops at the first that has not lapsed.
  const purses = new Map<string, Purse>()
  const blocks = createAddressBlocks({ now })
  /** Those who wait for others to settle; woken by each sweep. */
  let sleepers: Array<() => void> = []
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
  const wakeAll = (): void => {
    const woken = sleepers
    sleepers = []
    for (const wake of woken) wake()
  }
  /** At least until the next sweep, so that nobody asks more often. */
  const sleepUntil = async (time: number): Promise<void> => {
    const isEarly = (): boolean => !closed && now() < time
    if (closed) return
    do await new Promise<void>((resolve) => { sleepers.push(resolve) })
    while (isEarly())
  }
  const sweep = (): void => {
    wakeAll()
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
    const purse = createPurse(address)
    purses.set(address, purse)
    sweeping ??= setInterval(sweep, SWEEP_MS).unref()
    return purse
  }
  /** Until what others hold has lapsed, or the window itself moves on; who has waited long enough is refused. */
  const waitForOthers = async (purse: Purse, { retryAfterMs, unsettledMs }: Grant): Promise<void> => {
    const at = now()
    refuseWaiting(purse, unsettledMs, at - GRANT_SETTLE_MS)
    const [oldest] = purse.waiting
    if (oldest === undefined) return
    const lapsesInMs = Math.max(1, unsettledMs - (GRANT_SETTLE_MS - GRANT_LAPSE_MS))
    await sleepUntil(Math.min(at + lapsesInMs, at + retryAfterMs, oldest.sinceMs + GRANT_SETTLE_MS))
    if (closed) refuseWaiting(purse, CROWDED_RETRY_MS)
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
    if (grant.unsettledMs > 0) return await waitForOthers(purse, grant)
    blocks.block(purse.address, grant.retryAfterMs)
    refuseWaiting(purse, grant.retryAfterMs)
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
        purse.waiting.push({ resolve, reject, sinceMs: now() })
        if (!purse.calling) void serve(purse)
      })
    },
    close () {
      closed = true
      clearInterval(sweeping)
      const settled: GrantSettlement[] = []
      for (const purse of purses.values()) if (!purse.calling) collectSettlement(purse, settled)
      purses.clear()
      wakeAll()
      if (settled.length > 0) limiter.settle(settled)
    },
    get size () { return purses.size }
  }
}
