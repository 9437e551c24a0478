import { createAddressBlocks } from '../address-blocks.js'
import { GRANT_LAPSE_MS, GRANT_SETTLE_MS, type Grant, type GrantSettlement, type Limiter } from '../limiter.js'
import { AddressGrants, type Passage } from './address-grants.js'
import { Sleepers } from './sleepers.js'

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

/** Makes the budget of one process on top of its limiter. Its one timer runs while grants are outstanding. */
export function createMessageBudget (limiter: Limiter, { now, maxWaiting = MAX_WAITING }: MessageBudgetOptions): MessageBudget {
  return new GrantedMessages(limiter, now, maxWaiting)
}

class GrantedMessages implements MessageBudget {
  /** In the order of `askedAtMs`, so that the sweep stops at the first that has not lapsed. */
  private readonly byAddress = new Map<string, AddressGrants>()
  private readonly blocks
  private readonly sleepers
  private sweeping: NodeJS.Timeout | undefined
  private closed = false

  constructor (private readonly limiter: Limiter, private readonly now: () => number, private readonly maxWaiting: number) {
    this.blocks = createAddressBlocks({ now })
    this.sleepers = new Sleepers(now)
  }

  get size (): number { return this.byAddress.size }

  spend (address: string): boolean {
    const grants = this.byAddress.get(address)
    // While frames wait for a call there is nothing to spend: no frame overtakes them.
    return grants !== undefined && grants.spend(this.now)
  }

  async request (address: string): Promise<Passage> {
    const retryAfterMs = this.blocks.blockedForMs(address)
    if (retryAfterMs > 0) return { granted: false, retryAfterMs }
    if (this.closed) return CROWDED
    const grants = this.byAddress.get(address) ?? this.open(address)
    if (grants.waitingFrames >= this.maxWaiting) return CROWDED
    return await new Promise((resolve, reject) => {
      grants.wait({ resolve, reject, sinceMs: this.now() })
      if (!grants.isServed) void this.serve(grants)
    })
  }

  close (): void {
    this.closed = true
    clearInterval(this.sweeping)
    const settled: GrantSettlement[] = []
    for (const grants of this.byAddress.values()) if (!grants.isServed) grants.collectSettlement(settled)
    this.byAddress.clear()
    this.sleepers.close()
    if (settled.length > 0) this.limiter.settle(settled)
  }

  private open (address: string): AddressGrants {
    const grants = new AddressGrants(address)
    this.byAddress.set(address, grants)
    this.sweeping ??= setInterval(() => { this.sweep() }, SWEEP_MS).unref()
    return grants
  }

  /** Settles the grants that have lapsed, and forgets their addresses. */
  private sweep (): void {
    this.sleepers.wake()
    const oldestMs = this.now() - GRANT_LAPSE_MS
    const settled: GrantSettlement[] = []
    for (const grants of this.byAddress.values()) {
      if (grants.askedAtMs > oldestMs) break
      if (grants.isServed) continue
      grants.collectSettlement(settled)
      this.byAddress.delete(grants.address)
    }
    if (settled.length > 0) this.limiter.settle(settled)
    if (this.byAddress.size > 0) return
    clearInterval(this.sweeping)
    this.sweeping = undefined
  }

  /** One call at a time, until no frame waits. */
  private async serve (grants: AddressGrants): Promise<void> {
    grants.isServed = true
    try {
      while (grants.waitingFrames > 0) {
        if (grants.spend(this.now)) grants.passOldest()
        else await this.takeGrant(grants)
      }
    } catch (error) {
      grants.fail(error)
    } finally {
      grants.isServed = false
    }
  }

  private async takeGrant (grants: AddressGrants): Promise<void> {
    const settled: GrantSettlement[] = []
    const request = grants.ask(this.now(), settled)
    this.byAddress.delete(grants.address)
    this.byAddress.set(grants.address, grants)
    const grant = await this.limiter.takeGrant(request, settled)
    grants.receive(grant, request)
    if (grant.granted >= request.demand) return
    if (grant.unsettledMs > 0) return await this.waitForOthers(grants, grant)
    this.blocks.block(grants.address, grant.retryAfterMs)
    grants.refuse(grant.retryAfterMs)
  }

  /** Until what others hold has lapsed, or the window itself moves on. Frames that have waited long enough are refused. */
  private async waitForOthers (grants: AddressGrants, { retryAfterMs, unsettledMs }: Grant): Promise<void> {
    const nowMs = this.now()
    grants.refuse(unsettledMs, nowMs - GRANT_SETTLE_MS)
    const sinceMs = grants.waitingSinceMs
    if (sinceMs === null) return
    const lapsesInMs = Math.max(1, unsettledMs - (GRANT_SETTLE_MS - GRANT_LAPSE_MS))
    await this.sleepers.sleepUntil(Math.min(nowMs + lapsesInMs, nowMs + retryAfterMs, sinceMs + GRANT_SETTLE_MS))
    if (this.closed) grants.refuse(CROWDED_RETRY_MS)
  }
}
