import { OperationFault } from '../operation-fault.js'
import { split } from '../collections/split.js'
import type { ControlState } from './control-state.js'
import type { Revocation, RevocationTarget } from './control.js'
import type { StandingMembers } from './find-standing.js'
import type { OrderRecord } from './ledger.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'
import { parseKeptRevocation, type LastingOrder } from './messages.js'
import type { KeptOrder, LedgerName } from './order-record.js'
import { SETTLED_TOGETHER, type Ask, type OrderStore } from './order-store.js'
import { nameOfTarget, toMember, widest } from './revocation-terms.js'

/** An order that is kept from now on, and what is said of it on the control channel. */
export interface Given {
  readonly ledger: LedgerName
  readonly kept: readonly KeptOrder[]
  readonly message: LastingOrder
}

export interface OrderBookOptions {
  readonly state: ControlState
  readonly stores: Readonly<Record<LedgerName, Pick<OrderStore, 'settle'>>>
  /** Configured names of the issuers: taking back a revocation by any means those of each. */
  readonly issuers: readonly string[]
  /** Longest that an accepted token may live, in ms. */
  readonly maxTokenLifetimeMs: number
  /** Time of day, in ms. */
  readonly now: () => number
}

export type OrderBook = ReturnType<typeof createOrderBook>

/** Asks about what this process knows under a name. */
export function askToKnow (record: OrderRecord, remainingMs: number): Ask {
  const { name, givenAtUs, lifted, member } = record
  return { name, want: lifted ? 'know-lifted' : 'know', givenAtUs, remainingMs, member }
}

/** Gives orders that last, and takes them back: each resolves when it is kept, and rejects when it cannot be. */
export function createOrderBook ({ state, stores, issuers, maxTokenLifetimeMs, now }: OrderBookOptions) {
  async function settle (ledger: LedgerName, asks: readonly Ask[]): Promise<KeptOrder[]> {
    const kept: KeptOrder[] = []
    for (const part of split(asks, SETTLED_TOGETHER)) {
      const settled = await stores[ledger].settle(part, state.heardAtUs())
      if (settled.some(({ refused }) => refused)) {
        throw new OperationFault(`there are too many ${ledger}`, kept.length === 0 && settled.every(({ refused }) => refused) ? 'undone' : 'refused')
      }
      kept.push(...settled.flatMap(({ order }) => order === null ? [] : [order]))
    }
    return kept
  }

  function toLift (ledger: LedgerName, name: string): Ask {
    const known = state.ledgers[ledger].get(name)
    return {
      name, want: 'lift', givenAtUs: 0, remainingMs: known === undefined ? 0 : state.ledgers[ledger].remainingMs(known), member: known?.member ?? ''
    }
  }

  /** A revocation beside one in force of the same name takes nothing of it back. */
  function widened (revocation: Revocation): { revocation: Revocation, lastsMs: number } {
    const known = state.ledgers.revocations.get(nameOfTarget(revocation))
    const inForce = known === undefined || known.lifted ? null : parseKeptRevocation(known.member)
    const lastsMs = keepRevocationForMs(revocation, maxTokenLifetimeMs, now())
    if (known === undefined || inForce === null) return { revocation, lastsMs }
    return {
      revocation: { ...revocation, issuedBeforeMs: widest(revocation.issuedBeforeMs, inForce.issuedBeforeMs) },
      lastsMs: Math.max(lastsMs, state.ledgers.revocations.remainingMs(known))
    }
  }

  return {
    async ban (address: string, durationMs: number): Promise<Given> {
      const kept = await settle('bans', [{ name: address, want: 'give', givenAtUs: 0, remainingMs: durationMs, member: address }])
      return { ledger: 'bans', kept, message: { type: 'ban', address, duration_ms: durationMs } }
    },
    async unban (address: string): Promise<Given> {
      const kept = await settle('bans', [{ ...toLift('bans', address), member: address }])
      return { ledger: 'bans', kept, message: { type: 'unban', address } }
    },
    async revoke (asked: Revocation): Promise<Given> {
      const { revocation, lastsMs } = widened(revocationFrom(asked, now()))
      const kept = await settle('revocations', [
        { name: nameOfTarget(revocation), want: 'give', givenAtUs: 0, remainingMs: lastsMs, member: toMember(revocation) }
      ])
      return { ledger: 'revocations', kept, message: { type: 'revoke', revocation, duration_ms: lastsMs } }
    },
    /** An order that nobody keeps yet: a later one than any that this process knows, so that the next reading writes it. */
    hold (asked: Revocation): KeptOrder {
      const { revocation, lastsMs } = widened(revocationFrom(asked, now()))
      const givenAtUs = Math.max(now() * 1000, state.heardAtUs() + 1)
      const [name, member] = [nameOfTarget(revocation), toMember(revocation)]
      return { name, givenAtUs, lifted: false, remainingMs: lastsMs, keptUntilMs: 0, member }
    },
    /** `standing`: what Redis has in force of the target. Each is taken back as well: one left there would count as given later. */
    async unrevoke (target: RevocationTarget, standing: StandingMembers): Promise<Given> {
      const meant = target.issuer === null ? [null, ...issuers, ...state.lookup.issuersOf(target)] : [target.issuer]
      const names = new Set([...meant.map(issuer => nameOfTarget({ ...target, issuer })), ...standing.keys()])
      const kept = await settle('revocations', [...names].flatMap((name) => {
        const lift = toLift('revocations', name)
        return standing.get(name)?.map(member => ({ ...lift, member })) ?? [lift]
      }))
      return { ledger: 'revocations', kept, message: { type: 'unrevoke', target } }
    }
  }
}
