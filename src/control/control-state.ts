import { BAN_TERMS } from './ban-terms.js'
import { MAX_BANS, type ControlHandlers } from './control.js'
import { createDoneOrders } from './done-orders.js'
import { createLedger, type Ledger, type OrderRecord } from './ledger.js'
import { parseKeptRevocation, type PassingOrder } from './messages.js'
import type { KeptOrder, LedgerName, LedgerTerms } from './order-record.js'
import { createRevocationLookup } from './revocation-lookup.js'
import { createRevocationTerms } from './revocation-terms.js'
import type { TokenName } from '../tokens/token-name.js'

/** Before the start there is nobody to tell. */
const NOBODY: ControlHandlers = { onRevoked () {}, onDisconnect () {}, onBanned () {}, onRecheck () {} }

/** More names than this are not read one by one, in one turn of the event loop: all connections are looked at once. */
const MAX_NAMES = 1000

/** What these records of revocations name; null: too many. */
function namesIn (revocations: Ledger, records: readonly string[]): TokenName[] | null {
  if (records.length > MAX_NAMES) return null
  return records.map(name => parseKeptRevocation(revocations.get(name)?.member ?? '')).filter(named => named !== null)
}

export type ControlState = ReturnType<typeof createControlState>

export interface ControlStateOptions {
  /** How long a revocation of all tokens until now lasts, in ms. */
  readonly revocationMs: number
  /** In ms; need not be the time of day. */
  readonly now: () => number
}

/** What this process knows of the orders, and what it does about them. */
export function createControlState ({ revocationMs, now }: ControlStateOptions) {
  const lookup = createRevocationLookup(now)
  const terms: Readonly<Record<LedgerName, LedgerTerms>> = { bans: BAN_TERMS, revocations: createRevocationTerms(revocationMs) }
  const ledgers: Readonly<Record<LedgerName, Ledger>> = {
    bans: createLedger(now, MAX_BANS, () => {}),
    // None may be forgotten: what Redis keeps at once bounds them.
    revocations: createLedger(now, Infinity, lookup.follow)
  }
  const wasDone = createDoneOrders()
  let heardAtUs = 0
  let handlers = NOBODY

  function saysMore (name: LedgerName, before: OrderRecord | undefined, after: OrderRecord): boolean {
    if (after.lifted) return false
    return before === undefined || before.lifted || terms[name].reachOf(after.member) > terms[name].reachOf(before.member)
  }

  /** Learns what is kept; returns the orders that say more than what was known, which nobody was told of yet. */
  function learnQuietly (name: LedgerName, kept: Iterable<KeptOrder>): string[] {
    const news: string[] = []
    for (const order of kept) {
      heardAtUs = Math.max(heardAtUs, order.givenAtUs)
      const change = ledgers[name].learn(order)
      if (change !== null && saysMore(name, change.before, change.after)) news.push(order.name)
    }
    return news
  }

  /** Ends the connections that new orders mean: once for many orders, as for very many all connections are looked at. */
  function tell (name: LedgerName, news: readonly string[]): void {
    if (news.length === 0) return
    if (name === 'revocations') handlers.onRevoked({ names: namesIn(ledgers.revocations, news), matches: lookup.isRevoked })
    else handlers.onBanned(new Set(news))
  }

  return {
    terms,
    ledgers,
    lookup,
    /** From now on what is done is told to these. */
    start (started: ControlHandlers): void { handlers = started },
    /** From now on nobody is told. */
    stop (): void { handlers = NOBODY },
    isRevoked: lookup.isRevoked,
    bannedForMs (address: string): number {
      const ban = ledgers.bans.get(address)
      return ban === undefined || ban.lifted ? 0 : ledgers.bans.remainingMs(ban)
    },
    /** The latest time at which an order was given that this process has heard of, in µs on Redis's clock. */
    heardAtUs: (): number => heardAtUs,
    learnQuietly,
    tell,
    learn (name: LedgerName, kept: Iterable<KeptOrder>): void { tell(name, learnQuietly(name, kept)) },
    /** Does what passes and leaves nothing behind; false: it was done before. An order without an `order_id` is done each time. */
    perform (order: PassingOrder): boolean {
      if (wasDone(order)) return false
      if (order.type === 'disconnect') handlers.onDisconnect(order.user_id)
      else handlers.onRecheck(order.user_id ?? null)
      return true
    },
    sweep (): void {
      for (const ledger of Object.values(ledgers)) ledger.sweep()
    }
  }
}
