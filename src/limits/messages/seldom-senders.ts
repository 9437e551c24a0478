import { createTwoGenerationMap } from '../../collections/two-generation-map.js'

const MAX_ADDRESSES = 50_000
/** Who sends less often than that is forgotten, and lent ahead once more. */
const KEPT_MS = 600_000

/**
 * Addresses that had spent nothing of what was lent ahead when it lapsed. Lent again, they would cost a settlement beside each
 * call and spare none; so they are lent nothing until two of their messages come within the time of one grant. Times are monotonic, in ms.
 */
export class SeldomSenders {
  private readonly lastAtMs = createTwoGenerationMap<number>(MAX_ADDRESSES, KEPT_MS)

  /** A grant of this address has lapsed: of what was lent nothing was spent since `lastAtMs`. */
  note (address: string, lastAtMs: number, nowMs: number): void { this.lastAtMs.set(address, lastAtMs, nowMs) }

  /** A grant is to be taken. Whether the message before is known to be `withinMs` ago or longer. */
  isSeldom (address: string, withinMs: number, nowMs: number): boolean {
    const lastAtMs = this.lastAtMs.get(address)
    if (lastAtMs === undefined || nowMs - lastAtMs < withinMs) return false
    this.lastAtMs.set(address, nowMs, nowMs)
    return true
  }
}
