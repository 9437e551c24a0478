import { OperationFault } from '../operation-fault.js'
import type { RedisClient } from '../redis/client.js'
import { createControlKeys } from '../redis/keys.js'
import { readFlag, readTexts } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript } from '../redis/lua-script.js'
import { MAX_ORDERS } from './control.js'
import { parseControlMessage, type PassingOrder } from './messages.js'

const scripts = new URL('./lua/', import.meta.url)
const keepScript = readLuaScript(scripts, 'keep-expiring')
const readScript = readLuaScript(scripts, 'read-expiring')

/** How long an order can still be found by a process that has missed its message, in ms: several readings. */
const KEPT_MS = 120_000
/** Orders read in one turn of the event loop. */
const SLICE = 500

export interface KeptOrdersOptions {
  readonly client: RedisClient
  readonly prefix: string
  /** How long one call may take, 1 or more; longer rejects. */
  readonly timeoutMs: number
  /** An entry was found that this version cannot read. */
  readonly onUnreadable: () => void
}

export type KeptOrders = ReturnType<typeof createKeptOrders>

/**
 * Keeps the orders that leave nothing behind, `disconnect` and `recheck`, for two minutes in `<prefix>ws:control:orders`:
 * a process whose subscription was lost finds there what it has missed.
 */
export function createKeptOrders ({ client, prefix, timeoutMs, onUnreadable }: KeptOrdersOptions) {
  const run = createScriptRunner(client, timeoutMs)
  const key = createControlKeys(prefix).orders

  function readOrder (text: string): PassingOrder | null {
    const message = parseControlMessage(text)
    // Without an id it would be done again at each reading.
    if (message !== null && (message.type === 'disconnect' || message.type === 'recheck') && message.order_id !== undefined) return message
    onUnreadable()
    return null
  }

  return {
    /** Keeps the text of an order. Rejects when there are too many: none may be forgotten before all had time to find it. */
    async keep (text: string): Promise<void> {
      const kept = readFlag(await run(keepScript, [key], [text, KEPT_MS, MAX_ORDERS, 'refuse']), keepScript.name)
      if (!kept) throw new OperationFault('there are too many orders: try again in two minutes', 'undone')
    },
    /** Gives `perform` the orders of the last `ageMs`, the oldest first. Rejects when Redis does not answer. */
    async readSince (ageMs: number, perform: (order: PassingOrder) => void): Promise<void> {
      const leastMs = Math.ceil(Math.max(0, KEPT_MS - ageMs))
      for (let read = 0, found = SLICE; found === SLICE; read += found) {
        const texts = readTexts(await run(readScript, [key], [leastMs, read, SLICE]), readScript.name)
        found = texts.length
        for (const text of texts) {
          const order = readOrder(text)
          if (order !== null) perform(order)
        }
      }
    }
  }
}
