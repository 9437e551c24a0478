// Fills Redis with revocations and bans that last an hour: of tokens and addresses that nobody has.
import { connectRedis } from '../../dist/redis/connect.js'
import { createControlState } from '../../dist/control/control-state.js'
import { createOrderStore, SETTLED_TOGETHER } from '../../dist/control/order-store.js'
import { nameOfTarget, toMember } from '../../dist/control/revocation-terms.js'
import { createControlKeys } from '../../dist/redis/keys.js'

const LASTS_MS = 3_600_000
const connection = connectRedis({ url: process.env.REDIS_URL })
await connection.waitUntilUp(5000)
const { terms } = createControlState({ revocationMs: LASTS_MS, now: () => performance.now() })
const keys = createControlKeys('')
const { commands: client } = connection
const open = name => createOrderStore({ client, keys: keys[name], terms: terms[name], timeoutMs: 30_000, onUnreadable () {} })
const stores = { revocations: open('revocations'), bans: open('bans') }

const orders = {
  revocations (n) {
    const revocation = { kind: 'jti', id: `revoked-${n}`, issuer: null, issuedBeforeMs: null }
    return { name: nameOfTarget(revocation), member: toMember(revocation) }
  },
  bans (n) {
    const address = `${20 + (n >> 16)}.1.${(n >> 8) & 255}.${n & 255}`
    return { name: address, member: address }
  }
}

process.on('message', async ({ count }) => {
  try {
    for (const [name, store] of Object.entries(stores)) {
      for (let at = 0; at < count; at += SETTLED_TOGETHER) {
        const asks = Array.from({ length: Math.min(SETTLED_TOGETHER, count - at) }, (_, i) =>
          ({ ...orders[name](at + i), want: 'give', givenAtUs: 0, remainingMs: LASTS_MS }))
        const settled = await store.settle(asks, 0)
        if (settled.some(({ refused }) => refused)) throw new Error(`there is no room for ${count} ${name}`)
      }
    }
    process.send({ filled: count })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
