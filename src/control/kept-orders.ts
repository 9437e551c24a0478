import { createControlKeys } from '../redis/keys.js'
import type { ControlStoreOptions } from './control-store.js'
import { MAX_ORDERS } from './control.js'
import { createExpiringSet } from './expiring-set.js'
import { parseControlMessage, type ControlMessage } from './messages.js'

/** How long an order can still be found by a process that has missed its message, in ms: several readings. */
const KEPT_MS = 120_000

export type KeptOrders = ReturnType<typeof createKeptOrders>

/**
 * Keeps the orders that leave nothing behind, `disconnect` and `recheck`, for two minutes in `<prefix>ws:control:orders`:
 * a process whose subscription was lost finds there what it has missed.
 */
export function createKeptOrders ({ client, prefix, timeoutMs, onUnreadable }: ControlStoreOptions) {
  const set = createExpiringSet({ client, timeoutMs, key: createControlKeys(prefix).orders, maxMembers: MAX_ORDERS, whenFull: 'refuse' })

  function readOrder (text: string): ControlMessage[] {
    const message = parseControlMessage(text)
    // Without an id it would be done again at each reading.
    if (message !== null && (message.type === 'disconnect' || message.type === 'recheck') && message.order_id !== undefined) return [message]
    onUnreadable()
    return []
  }

  return {
    /** Keeps the text of an order. Rejects when there are too many: none may be forgotten before all had time to find it. */
    async keep (text: string): Promise<void> {
      if (!await set.keep(text, KEPT_MS)) throw new Error('there are too many orders')
    },
    /** The orders of the last `ageMs`, the oldest first. */
    async readSince (ageMs: number): Promise<ControlMessage[]> {
      return (await set.read()).flatMap(({ member, remainingMs }) => KEPT_MS - remainingMs < ageMs ? readOrder(member) : [])
    }
  }
}
