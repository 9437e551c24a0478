import { MAX_BANS } from './control.js'
import type { LedgerTerms } from './order-record.js'

const MAX_ADDRESS_LENGTH = 64
/** Longer than a process can be frozen and come back with a ban that was lifted meanwhile. */
const UNKNOWN_LIFT_MS = 86_400_000

/** Bans: one for each address, the last one counts. */
export const BAN_TERMS: LedgerTerms = {
  maxOrders: MAX_BANS,
  whenFull: 'evict',
  onSecond: 'replace',
  unknownLiftMs: UNKNOWN_LIFT_MS,
  witness: 'kept since @',
  nameOf: (member) => member.length === 0 || member.length > MAX_ADDRESS_LENGTH ? null : member,
  reachOf: () => 0
}
