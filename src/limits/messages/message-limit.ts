import { createAddressBlocks } from '../address-blocks.js'
import { GRANT_LAPSE_MS, GRANT_SETTLE_MS, LENT_AHEAD, type Grant, type GrantSettlement, type Limiter } from '../limiter.js'
import { AddressGrants, type Passage } from './address-grants.js'
import { SeldomSenders } from './seldom-senders.js'
import { Sleepers } from './sleepers.js'

/** The message limit as one process sees it: grants of the addresses' windows, spent locally. */
export interface MessageLimit {
  /** Spends one message of a grant at hand. False: none, or frames of this address are waiting; then `request`. */
  spend (address: string): boolean
  /**
   * Waits for one message: for a call, and at most about `GRANT_SETTLE_MS` longer when the window is full only because
   * others hold what they have not spent. Answers of one address come in the order of asking. Rejects when the limiter does.
   */
  request (address: string): Promise<Passage>
  /** Another process waits for what was lent ahead of these addresses' windows: what this one holds of it is settled at once. */
  giveBack (addresses: readonly string[]): void
  /** Gives back what is left and refuses what comes later. Frames that wait for a call are answered by it. */
  close (): void
  /** Addresses with a grant outstanding or frames waiting. */
  readonly size: number
}

export interface MessageLimitOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Frames of one address that may wait at once; more are refused. */
  readonly maxWaiting?: number
  /** Frames of this address wait only for what was lent ahead: its holders, in all processes, are to give it back. */
  readonly onWaiting?: (address: string) => void
}

const MAX_WAITING = 10_000
const SWEEP_MS = 250
/** What a frame is told that finds too many waiting before it, or the limit closed. */
const CROWDED_RETRY_MS = 1000
const CROWDED: Passage = { granted: false, retryAfterMs: CROWDED_RETRY_MS }

/** Makes the message limit of one process on top of its limiter. Its one timer runs while grants are outstanding. */
export function createMessageLimit (limiter: Limiter, options: MessageLimitOptions): MessageLimit {
  return new ProcessMessageLimit(limiter, options)
}

class ProcessMessageLimit implements MessageLimit {
  private readonly byAddress = new Map<string, AddressGrants>()
  /** The same, each in one of two: in the order of `askedAtMs`, so that the sweep stops at the first that has not lapsed. */
  private readonly brief = new Set<AddressGrants>()
  private readonly heldAhead = new Set<AddressGrants>()
  private readonly seldom = new SeldomSenders()
  /** How long what is lent ahead may be spent, once that is known. */
  private aheadLapseMs = Infinity
  private readonly now: () => number
  private readonly maxWaiting: number
  private readonly onWaiting: (address: string) => void
  private readonly blocks
  private readonly sleepers
  private sweeping: NodeJS.Timeout | undefined
  private closed = false

  constructor (private readonly limiter: Limiter, { now, maxWaiting = MAX_WAITING, onWaiting = () => {} }: MessageLimitOptions) {
    this.now = now
    this.maxWaiting = maxWaiting
    this.onWaiting = onWaiting
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

  giveBack (addresses: readonly string[]): void {
    const settled: GrantSettlement[] = []
    for (const address of addresses) {
      const grants = this.byAddress.get(address)
      // A call under way has settled it already.
      if (grants !== undefined && !grants.isServed && grants.isHeldAhead) this.letGo(grants, settled)
    }
    if (settled.length > 0) this.limiter.settle(settled)
  }

  close (): void {
    this.closed = true
    clearInterval(this.sweeping)
    const settled: GrantSettlement[] = []
    for (const grants of this.byAddress.values()) if (!grants.isServed) grants.collectSettlement(settled)
    for (const all of [this.byAddress, this.brief, this.heldAhead]) all.clear()
    this.sleepers.close()
    if (settled.length > 0) this.limiter.settle(settled)
  }

  private open (address: string): AddressGrants {
    const grants = new AddressGrants(address)
    this.byAddress.set(address, grants)
    this.brief.add(grants)
    this.sweeping ??= setInterval(() => { this.sweep() }, SWEEP_MS).unref()
    return grants
  }

  /** Settles the grants that have lapsed, and forgets their addresses. */
  private sweep (): void {
    this.sleepers.wake()
    const nowMs = this.now()
    const settled: GrantSettlement[] = []
    for (const inOrder of [this.brief, this.heldAhead]) {
      for (const grants of inOrder) {
        if (grants.lapsesAtMs > nowMs) break
        if (grants.isServed) continue
        if (grants.isHeldAhead && grants.isUntouched) this.seldom.note(grants.address, grants.askedAtMs, nowMs)
        this.letGo(grants, settled)
      }
    }
    if (settled.length > 0) this.limiter.settle(settled)
    if (this.byAddress.size > 0) return
    clearInterval(this.sweeping)
    this.sweeping = undefined
  }

  private letGo (grants: AddressGrants, settled: GrantSettlement[]): void {
    grants.collectSettlement(settled)
    this.byAddress.delete(grants.address)
    this.brief.delete(grants)
    this.heldAhead.delete(grants)
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
    const nowMs = this.now()
    const ahead = this.seldom.isSeldom(grants.address, this.aheadLapseMs, nowMs) ? 0 : LENT_AHEAD
    const request = grants.ask(nowMs, settled, ahead)
    this.moveTo(this.brief, grants)
    const grant = await this.limiter.takeGrant(request, settled)
    grants.receive(grant, request)
    if (grants.isHeldAhead) this.keepAhead(grants)
    if (grant.granted >= request.demand) return
    if (grant.unsettledMs > 0) return await this.waitForOthers(grants, grant)
    this.blocks.block(grants.address, grant.retryAfterMs)
    grants.refuse(grant.retryAfterMs)
  }

  private keepAhead (grants: AddressGrants): void {
    this.aheadLapseMs = grants.lapsesAtMs - grants.askedAtMs
    if (!this.closed) return this.moveTo(this.heldAhead, grants)
    const settled: GrantSettlement[] = []
    grants.collectSettlement(settled)
    this.limiter.settle(settled)
  }

  /** Puts it last there, and nowhere else. */
  private moveTo (last: Set<AddressGrants>, grants: AddressGrants): void {
    this.brief.delete(grants)
    this.heldAhead.delete(grants)
    last.add(grants)
  }

  /** Until what others hold has lapsed, or the window itself moves on. Frames that have waited long enough are refused. */
  private async waitForOthers (grants: AddressGrants, { retryAfterMs, unsettledMs, isHeldAhead = false }: Grant): Promise<void> {
    const nowMs = this.now()
    // Holders that have not answered are gone, and it counts as spent: only the window itself makes room.
    grants.refuse(isHeldAhead ? retryAfterMs : unsettledMs, nowMs - GRANT_SETTLE_MS)
    const sinceMs = grants.waitingSinceMs
    if (sinceMs === null) return
    if (isHeldAhead) this.onWaiting(grants.address)
    // Who is asked answers at once, and the next sweep or two find it.
    const lapsesInMs = isHeldAhead ? 0 : Math.max(1, unsettledMs - (GRANT_SETTLE_MS - GRANT_LAPSE_MS))
    await this.sleepers.sleepUntil(Math.min(nowMs + lapsesInMs, nowMs + retryAfterMs, sinceMs + GRANT_SETTLE_MS))
    if (this.closed) grants.refuse(CROWDED_RETRY_MS)
  }
}
