import { GRANT_LAPSE_MS, type Grant, type GrantRequest, type GrantSettlement } from '../limiter.js'

/** Whether one frame may pass. */
export type Passage =
  | { readonly granted: true }
  | { readonly granted: false, readonly retryAfterMs: number }

/** A frame that waits for its answer. */
export interface WaitingFrame {
  readonly sinceMs: number
  readonly resolve: (passage: Passage) => void
  readonly reject: (error: unknown) => void
}

const FIRST_SPARE = 16
const SPARE_GROWTH = 4
const MAX_SPARE = 256
const GRANTED: Passage = { granted: true }

/**
 * What this process holds of one address's message window: the grant at hand, and the frames that wait for the next one.
 * Every time is in ms of the caller's monotonic clock.
 */
export class AddressGrants {
  /** When the grant at hand was asked for. */
  askedAtMs = 0
  /** The frames that wait are being served: a call is under way, or other processes are given time to settle. */
  isServed = false
  private grant: Grant | null = null
  /** How many frames had waited for it. */
  private waited = 0
  private spent = 0
  private lastSpentAtMs = 0
  /** Of a grant that was lent ahead: when each message beyond those that waited was spent. */
  private spentAtMs: number[] = []
  /** How many messages to take along next time: 0 for an address that sends now and then, more in a burst. */
  private spare = 0
  private readonly waiting: WaitingFrame[] = []

  constructor (readonly address: string) {}

  get waitingFrames (): number { return this.waiting.length }

  /** Since when the oldest frame waits; null: none waits. */
  get waitingSinceMs (): number | null { return this.waiting[0]?.sinceMs ?? null }

  /** Until when the grant at hand may be spent; after that it is to be settled. */
  get lapsesAtMs (): number { return this.askedAtMs + this.lapseMs }

  /** The grant at hand was lent ahead. */
  get isHeldAhead (): boolean { return this.lapseMs > GRANT_LAPSE_MS }

  /** Nothing was spent of what the grant at hand has beside the frames that waited. */
  get isUntouched (): boolean { return this.spent === this.waited }

  /** Spends one message of the grant at hand. False: there is none, it is used up, or it has lapsed. */
  spend (now: () => number): boolean {
    if (this.grant === null || this.spent >= this.grant.granted) return false
    const nowMs = now()
    if (nowMs >= this.lapsesAtMs) return false
    this.spent++
    this.lastSpentAtMs = nowMs
    if (this.isHeldAhead) this.spentAtMs.push(nowMs)
    return true
  }

  wait (frame: WaitingFrame): void { this.waiting.push(frame) }

  /** Lets the frame pass that has waited longest. */
  passOldest (): void { this.waiting.shift()?.resolve(GRANTED) }

  /** Begins to ask for the next grant; `ahead`: how many are to be lent ahead at most. The one at hand goes into `settled`. */
  ask (nowMs: number, settled: GrantSettlement[], ahead: number): GrantRequest {
    const spare = this.chooseSpare(nowMs)
    // Who waits for what others hold takes nothing along.
    const mayLend = spare === 0 && (this.grant === null || this.grant.unsettledMs === 0)
    this.collectSettlement(settled)
    this.spare = spare
    this.askedAtMs = nowMs
    return { address: this.address, demand: this.waiting.length, spare, ahead: mayLend ? ahead : 0 }
  }

  /** Takes the grant that `request` asked for, and lets as many frames pass as it allows. */
  receive (grant: Grant, { demand }: GrantRequest): void {
    this.grant = grant
    this.waited = this.spent = Math.min(demand, grant.granted)
    this.lastSpentAtMs = this.askedAtMs
    for (const frame of this.waiting.splice(0, this.spent)) frame.resolve(GRANTED)
  }

  /** Refuses the frames that wait, the oldest first: all of them, or those that began to wait no later than `sinceMs`. */
  refuse (retryAfterMs: number, sinceMs = Infinity): void {
    const younger = this.waiting.findIndex((frame) => frame.sinceMs > sinceMs)
    const refused = this.waiting.splice(0, younger < 0 ? this.waiting.length : younger)
    for (const frame of refused) frame.resolve({ granted: false, retryAfterMs })
  }

  /** The call has failed: tells all the frames that wait. */
  fail (error: unknown): void {
    for (const frame of this.waiting.splice(0)) frame.reject(error)
  }

  /** Lets go of the grant at hand. One that was taken only for frames that waited stands in the window where it belongs already. */
  collectSettlement (settled: GrantSettlement[]): void {
    const { grant, address, waited, spent, spentAtMs, askedAtMs } = this
    this.grant = null
    this.spentAtMs = []
    if (grant === null || grant.granted <= waited) return
    const settlement = { address, id: grant.id, granted: grant.granted, spent, lastSpentMs: this.lastSpentAtMs - askedAtMs }
    settled.push(spentAtMs.length === 0 ? settlement : { ...settlement, spentMs: spentAtMs.map((atMs) => atMs - askedAtMs) })
  }

  private get lapseMs (): number { return this.grant?.lapseMs ?? GRANT_LAPSE_MS }

  /** More while grants are used up before they lapse; as many as the last one saw used, when it was not. */
  private chooseSpare (nowMs: number): number {
    if (this.grant === null) return this.spare
    // Other processes hold what is left, and may be waiting as this one is: none takes along what another's frame needs now.
    if (this.grant.unsettledMs > 0) return 0
    const usedUp = this.spent >= this.grant.granted
    if (nowMs - this.askedAtMs >= GRANT_LAPSE_MS && (usedUp || this.isHeldAhead)) return 0
    if (!usedUp) return Math.min(MAX_SPARE, Math.max(0, this.spent - 1))
    return Math.min(MAX_SPARE, Math.max(FIRST_SPARE, this.spare * SPARE_GROWTH))
  }
}
