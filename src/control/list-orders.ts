import type { ListedBan, ListedRevocation, OrderLists, Page, PageRequest } from './control.js'
import { parseKeptRevocation } from './messages.js'
import { isWitness, type LedgerName, type LedgerTerms } from './order-record.js'
import { SET_START, type OrderStore, type ScoreCursor } from './order-store.js'

/** Where the orders in force are read from, what ends first at the front. */
export type OrderSource = Pick<OrderStore, 'settle' | 'readSet'>

interface LastingMember { readonly member: string, readonly remainingMs: number }

const CURSOR = /^(\d{1,16})-(\d{1,7})$/

function readCursor (after: string | null): ScoreCursor | null {
  if (after === null) return SET_START
  const [, score, skip] = CURSOR.exec(after) ?? []
  return score === undefined ? null : { score, skip: Number(skip) }
}

/** One entry further. */
function step ({ score, skip }: ScoreCursor, endsAtMs: number): ScoreCursor {
  const end = String(endsAtMs)
  return { score: end, skip: score === end ? skip + 1 : 1 }
}

async function readPage (source: OrderSource, terms: LedgerTerms, { limit, after }: PageRequest): Promise<Page<LastingMember> | null> {
  let at = readCursor(after)
  if (at === null) return null
  const { nowMs } = await source.settle([], 0)
  const entries: LastingMember[] = []
  for (;;) {
    const slice = await source.readSet(at, limit + 1)
    for (const { member, endsAtMs } of slice.entries) {
      const isListed = endsAtMs > nowMs && !isWitness(terms, member) && terms.nameOf(member) !== null
      if (isListed && entries.length === limit) return { entries, next: `${at.score}-${at.skip}` }
      at = step(at, endsAtMs)
      if (isListed) entries.push({ member, remainingMs: Math.ceil(endsAtMs - nowMs) })
    }
    if (slice.next === null) return { entries, next: null }
  }
}

/** Lists what stands. An entry that is given anew or taken back between two pages may be on both, or on none. */
export function createOrderLists (
  sources: Readonly<Record<LedgerName, OrderSource>>, terms: Readonly<Record<LedgerName, LedgerTerms>>
): OrderLists {
  return {
    async listBans (request): Promise<Page<ListedBan> | null> {
      const page = await readPage(sources.bans, terms.bans, request)
      return page && { ...page, entries: page.entries.map(({ member, remainingMs }) => ({ address: member, remainingMs })) }
    },
    async listRevocations (request): Promise<Page<ListedRevocation> | null> {
      const page = await readPage(sources.revocations, terms.revocations, request)
      return page && {
        ...page,
        entries: page.entries.flatMap(({ member, remainingMs }) => {
          const revocation = parseKeptRevocation(member)
          return revocation === null ? [] : [{ revocation, remainingMs }]
        })
      }
    }
  }
}
