import { GRANT_LAPSE_MS, type Grant, type GrantSettlement } from '../limiter.js'

/** Whether one frame may pass. */
export type Passage =
  | { readonly granted: true }
  | { readonly granted: false, readonly retryAfterMs: number }

/** A frame that waits for its answer. */
export interface Waiting {
  readonly sinceMs: number
  readonly resolve: (passage: Passage) => void
  readonly reject: (error: unknown) => void
}

/** What this process holds of one address's window. */
export interface Purse {
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

const FIRST_SPARE = 16
const SPARE_GROWTH = 4
const MAX_SPARE = 256

/** Makes an empty purse. */
export function createPurse (address: string): Purse {
  return { address, grant: null, askedAt: 0, spent: 0, lastSpentAt: 0, spare: 0, calling: false, waiting: [] }
}

/** Refuses the frames that wait, the oldest first: all of them, or those that began to wait no later than `sinceMs`. */
export function refuseWaiting ({ waiting }: Purse, retryAfterMs: number, sinceMs = Infinity): void {
  const younger = waiting.findIndex((frame) => frame.sinceMs > sinceMs)
  for (const frame of waiting.splice(0, younger < 0 ? waiting.length : younger)) frame.resolve({ granted: false, retryAfterMs })
}

/** More while grants are used up before they lapse; as many as the last one saw used, when it was not. */
export function chooseSpare (purse: Purse, now: number): number {
  if (purse.grant === null) return purse.spare
  // Others hold what is left, and may be waiting as this one is: nobody takes along what another's frame needs now.
  if (purse.grant.unsettledMs > 0) return 0
  const usedUp = purse.spent >= purse.grant.granted
  if (!usedUp) return Math.min(MAX_SPARE, Math.max(0, purse.spent - 1))
  if (now - purse.askedAt >= GRANT_LAPSE_MS) return 0
  return Math.min(MAX_SPARE, Math.max(FIRST_SPARE, purse.spare * SPARE_GROWTH))
}

/** Takes the grant out of the purse. One that was taken for waiting frames only stands where it belongs already. */
export function collectSettlement (purse: Purse, settled: GrantSettlement[]): void {
  const { grant, address, spent, spare } = purse
  purse.grant = null
  if (grant === null || grant.granted === 0 || spare === 0) return
  settled.push({ address, id: grant.id, granted: grant.granted, spent, lastSpentMs: purse.lastSpentAt - purse.askedAt })
}
