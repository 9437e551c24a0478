/** Nobody connects from here but those who look whether it is banned. */
const BANNED_NETWORK = '127.66'

/**
 * An order that lasts. Known are only those whose every step was acknowledged: what was not may have happened or not.
 * @typedef {{ kind: 'revocation' | 'ban', name: string, isLifted: boolean, isKnown: boolean, atMs: number }} Order
 */
export function createOrderBook () {
  /** @type {Order[]} */
  const orders = []
  return {
    orders,
    /** A new one, of a token or an address that is nobody's. @param {'revocation' | 'ban'} kind */
    make (kind) {
      const number = orders.length
      const name = kind === 'ban' ? `${BANNED_NETWORK}.${Math.floor(number / 250)}.${number % 250 + 1}` : `revoked-${number}`
      const order = { kind, name, isLifted: false, isKnown: false, atMs: Date.now() }
      orders.push(order)
      return order
    }
  }
}
