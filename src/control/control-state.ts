import { createBans, type LastingBan } from './bans.js'
import { MAX_BANS, MAX_ORDERS, type ControlHandlers } from './control.js'
import type { ControlMessage } from './messages.js'
import { createRevocations, type LastingRevocation } from './revocations.js'

/** As many as can be kept and as many again: no name is forgotten while its order can still be read. */
const MAX_REMEMBERED_ORDERS = 2 * MAX_ORDERS

/** All revocations and bans of one moment. */
export interface ControlSnapshot {
  readonly revocations: readonly LastingRevocation[]
  readonly bans: readonly LastingBan[]
}

export type ControlState = ReturnType<typeof createControlState>

/** What this process knows of the orders, and what it does about them. `now` in ms. */
export function createControlState (handlers: ControlHandlers, now: () => number) {
  const revocations = createRevocations(now)
  const bans = createBans(now, MAX_BANS)
  const ordersDone = new Set<string>()
  let sinceReading: ControlMessage[] | null = null

  /** Whether it is an order that was done before; from now on it is. */
  function isRepeated (message: ControlMessage): boolean {
    if ((message.type !== 'disconnect' && message.type !== 'recheck') || message.order_id === undefined) return false
    if (ordersDone.has(message.order_id)) return true
    ordersDone.add(message.order_id)
    const [oldest = ''] = ordersDone
    if (ordersDone.size > MAX_REMEMBERED_ORDERS) ordersDone.delete(oldest)
    return false
  }

  function perform (message: ControlMessage): void {
    switch (message.type) {
      case 'disconnect': handlers.onDisconnect(message.user_id); break
      case 'recheck': handlers.onRecheck(message.user_id ?? null); break
      case 'unban': bans.remove(message.address); break
      case 'unrevoke': revocations.remove(message.target); break
      case 'ban':
        if (bans.add({ address: message.address, remainingMs: message.duration_ms })) handlers.onBan(message.address)
        break
      case 'revoke':
        if (revocations.add({ revocation: message.revocation, remainingMs: message.duration_ms })) handlers.onRevoked(revocations.isRevoked)
    }
  }

  return {
    isRevoked: revocations.isRevoked,
    bannedForMs: bans.bannedForMs,
    revocationCount: revocations.size,
    known: (): ControlSnapshot => ({ revocations: revocations.list(), bans: bans.list() }),
    /** Does what was ordered; an order with an `order_id` once. */
    perform (message: ControlMessage): void {
      if (isRepeated(message)) return
      sinceReading?.push(message)
      perform(message)
    },
    /**
     * Takes the place of all that was known by what `read` finds. Orders that arrive meanwhile may be older or younger
     * than what it finds: they are applied once more on top of it.
     */
    async reload (read: () => Promise<ControlSnapshot>): Promise<void> {
      const missed: ControlMessage[] = sinceReading = []
      try {
        const snapshot = await read()
        if (revocations.replace(snapshot.revocations)) handlers.onRevoked(revocations.isRevoked)
        for (const address of bans.replace(snapshot.bans)) handlers.onBan(address)
        for (const message of missed) {
          if (message.type !== 'disconnect' && message.type !== 'recheck') perform(message)
        }
      } finally {
        sinceReading = null
      }
    },
    sweep (): void {
      revocations.sweep()
      bans.sweep()
    }
  }
}
