import { MAX_REVOCATIONS, type Control, type ControlHandlers } from './control.js'
import { createControlState } from './control-state.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'

const SWEEP_MS = 30_000

export interface MemoryControlOptions {
  readonly handlers: ControlHandlers
  /** Longest that an accepted token may live, in ms: revocations are kept so long. */
  readonly maxTokenLifetimeMs: number
  readonly now?: () => number
}

/** Control of a single process without Redis: a restart forgets, as it ends every connection's process too. */
export function createMemoryControl ({ handlers, maxTokenLifetimeMs, now = Date.now }: MemoryControlOptions): Control {
  const state = createControlState(handlers, now)
  const sweeping = setInterval(state.sweep, SWEEP_MS).unref()

  return {
    loaded: true,
    start () { /* there is nothing to load */ },
    isRevoked: state.isRevoked,
    bannedForMs: state.bannedForMs,
    async revoke (asked) {
      if (state.revocationCount() >= MAX_REVOCATIONS) state.sweep()
      if (state.revocationCount() >= MAX_REVOCATIONS) throw new Error('there are too many revocations')
      const revocation = revocationFrom(asked, now())
      state.perform({ type: 'revoke', revocation, duration_ms: keepRevocationForMs(revocation, maxTokenLifetimeMs, now()) })
    },
    async unrevoke (target) { state.perform({ type: 'unrevoke', target }) },
    async ban (address, durationMs) { state.perform({ type: 'ban', address, duration_ms: durationMs }) },
    async unban (address) { state.perform({ type: 'unban', address }) },
    async disconnect (userId) { state.perform({ type: 'disconnect', user_id: userId }) },
    async recheck (userId) { state.perform({ type: 'recheck', user_id: userId }) },
    async close () { clearInterval(sweeping) }
  }
}
