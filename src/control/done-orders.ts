import { MAX_ORDERS } from './control.js'
import type { PassingOrder } from './messages.js'

/** As many as can be kept and as many again: no name is forgotten while its order can still be read. */
const MAX_REMEMBERED = 2 * MAX_ORDERS

/** Makes what tells whether an order was done before; from then on it counts as done. One without an `order_id` never was. */
export function createDoneOrders (): (order: PassingOrder) => boolean {
  const done = new Set<string>()
  return ({ order_id: id }) => {
    if (id === undefined) return false
    if (done.has(id)) return true
    done.add(id)
    const [oldest = ''] = done
    if (done.size > MAX_REMEMBERED) done.delete(oldest)
    return false
  }
}
