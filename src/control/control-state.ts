import { createBans, type LastingBan } from './bans.js'
import { MAX_BANS, type ControlHandlers } from './control.js'
import type { ControlMessage } from './messages.js'
import { createRevocations, type LastingRevocation } from './revocations.js'

/** All revocations and bans of one moment. */
export interface ControlSnapshot {
  readonly revocations: readonly LastingRevocation[]
  readonly bans: readonly LastingBan[]
}

/** What this process knows of the orders, and what it does about them. `now` in ms. */
export function createControlState (handlers: ControlHandlers, now: () => number) {
  const revocations = createRevocations(now)
  const bans = createBans(now, MAX_BANS)
  let sinceReading: ControlMessage[] | null = null

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
    perform (message: ControlMessage): void {
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
