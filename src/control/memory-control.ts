import type { Control } from './control.js'
import { createControlState, type ControlState } from './control-state.js'
import { revocationLastsMs } from './lifetime.js'
import { createOrderLists, type OrderSource } from './list-orders.js'
import { createOrderBook, type Given } from './order-book.js'
import type { LedgerName } from './order-record.js'
import type { Settled } from './order-store.js'

const SWEEP_MS = 30_000

export interface MemoryControlOptions {
  /** Longest that an accepted token may live, in ms. Revocations are kept for this time. */
  readonly maxTokenLifetimeMs: number
  /** Configured names of the issuers. */
  readonly issuers: readonly string[]
  readonly now?: () => number
}

/** What the process knows is all that there is: orders are settled against it. */
function createMemorySource (state: ControlState, name: LedgerName, now: () => number): OrderSource {
  const ledger = state.ledgers[name]
  return {
    async settle (asks, heardAtUs) {
      const nowMs = now()
      return asks.map((ask): Settled => {
        const known = ledger.get(ask.name)
        const lifted = ask.want === 'lift'
        if (!lifted && known === undefined && ledger.size() >= state.terms[name].maxOrders) ledger.sweep()
        const isFull = !lifted && known === undefined && state.terms[name].whenFull === 'refuse' && ledger.size() >= state.terms[name].maxOrders
        const order = { ...ask, givenAtUs: Math.max(nowMs * 1000, heardAtUs + 1), lifted, keptUntilMs: nowMs + ask.remainingMs }
        return { order: lifted && known === undefined ? null : order, refused: isFull, written: true }
      })
    },
    async readClock () { return now },
    async readSet ({ score, skip }, count) {
      const from = Number(score === '-inf' ? 0 : score)
      const all = [...ledger.all()]
        .flatMap(({ lifted, member, keptUntilMs }) => lifted || keptUntilMs < from ? [] : [{ member, endsAtMs: keptUntilMs }])
        .sort((a, b) => a.endsAtMs - b.endsAtMs || (a.member < b.member ? -1 : 1))
      const entries = all.slice(skip, skip + count)
      return { entries, next: skip + count < all.length ? { score, skip: skip + count } : null }
    }
  }
}

/** Control of a single process without Redis: a restart forgets, as it ends every connection's process too. */
export function createMemoryControl ({ maxTokenLifetimeMs, issuers, now = Date.now }: MemoryControlOptions): Control {
  const state = createControlState({ revocationMs: revocationLastsMs(maxTokenLifetimeMs), now })
  const stores = { bans: createMemorySource(state, 'bans', now), revocations: createMemorySource(state, 'revocations', now) }
  const book = createOrderBook({ state, stores, issuers, maxTokenLifetimeMs, now })
  const learn = async (giving: Promise<Given>): Promise<void> => {
    const { ledger, kept } = await giving
    state.learn(ledger, kept)
  }
  let sweeping: NodeJS.Timeout | undefined

  return {
    ...createOrderLists(stores, state.terms),
    loaded: true,
    listening: true,
    start (handlers) {
      state.start(handlers)
      sweeping ??= setInterval(state.sweep, SWEEP_MS).unref()
    },
    isRevoked: state.isRevoked,
    bannedForMs: state.bannedForMs,
    async revoke (asked) { await learn(book.revoke(asked)) },
    hold (asked) { state.learn('revocations', [book.hold(asked)]) },
    async unrevoke (target) {
      // Nothing stands that the ledger does not know.
      await learn(book.unrevoke(target, new Map()))
    },
    async ban (address, durationMs) { await learn(book.ban(address, durationMs)) },
    async unban (address) { await learn(book.unban(address)) },
    async disconnect (userId) { state.perform({ type: 'disconnect', user_id: userId }) },
    async recheck (userId) { state.perform({ type: 'recheck', user_id: userId }) },
    async close () { clearInterval(sweeping) }
  }
}
