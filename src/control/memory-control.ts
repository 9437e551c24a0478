import { MAX_REVOCATIONS, type Control } from './control.js'
import { createControlState } from './control-state.js'
import { keepRevocationForMs, revocationFrom } from './lifetime.js'

const SWEEP_MS = 30_000

export interface MemoryControlOptions {
  /** Longest that an accepted token may live, in ms. Revocations are kept for this time. */
  readonly maxTokenLifetimeMs: number
  readonly now?: () => number
}

/** Control of a single process without Redis: a restart forgets, as it ends every connection's process too. */
export function createMemoryControl ({ maxTokenLifetimeMs, now = Date.now }: MemoryControlOptions): Control {
  const state = createControlState(now)
  let sweeping: NodeJS.Timeout | undefined

  return {
    loaded: true,
    listening: true,
    start (handlers) {
      state.start(handlers)
      sweeping ??= setInterval(state.sweep, SWEEP_MS).unref()
    },
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
