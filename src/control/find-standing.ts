import type { RevocationTarget } from './control.js'
import { parseKeptRevocation } from './messages.js'
import { isWitness, type LedgerTerms } from './order-record.js'
import { SET_START, type OrderStore, type ScoreCursor } from './order-store.js'
import { nameOfTarget } from './revocation-terms.js'

/** Members of the sorted set by their name, those of one name in the order in which they end. */
export type StandingMembers = ReadonlyMap<string, readonly string[]>

/** Members read in one call: 100,000 take some hundred round trips, and none holds up Redis for longer than 1 ms. */
const SLICE = 1000

/**
 * Finds the revocations in force of a target in Redis, whether or not this process has heard of them; `issuer` null: those
 * of every issuer. What a process of the build before gave stands in the sorted set alone, under names that only its
 * members tell. Rejects when Redis does not answer in time.
 */
export async function findStanding (
  store: Pick<OrderStore, 'readSet'>, terms: LedgerTerms, target: RevocationTarget
): Promise<StandingMembers> {
  const found = new Map<string, string[]>()
  // Spares reading nearly all members as JSON.
  const idText = JSON.stringify(target.id)
  for (let cursor: ScoreCursor | null = SET_START; cursor !== null;) {
    const slice = await store.readSet(cursor, SLICE)
    for (const { member } of slice.entries) {
      const name = member.includes(idText) ? nameWithin(target, member) : null
      if (name === null || isWitness(terms, member)) continue
      const members = found.get(name)
      if (members === undefined) found.set(name, [member])
      else members.push(member)
    }
    cursor = slice.next
  }
  return found
}

/** The name of a member that revokes what the target means; null: it revokes something else. */
function nameWithin (target: RevocationTarget, member: string): string | null {
  const revocation = parseKeptRevocation(member)
  if (revocation === null || revocation.kind !== target.kind || revocation.id !== target.id) return null
  return target.issuer === null || revocation.issuer === target.issuer ? nameOfTarget(revocation) : null
}
