import type { Config } from '../config/config.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Ground } from './ground.js'

const RESTARTING = refuse('restarting', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 1000, detail: 'connections' })
const LATE = refuse('overloaded', { retryAfterMs: 2000, detail: 'event loop' })

/**
 * Makes what says why nobody is taken in right now; null: everybody is. `pending`: upgrades under way, and sockets that were
 * accepted to be closed.
 */
export function createGate (
  { phase, eventLoop, registry }: Pick<Ground, 'phase' | 'eventLoop' | 'registry'>, { maxConnections }: Config['server']
): (pending: number) => Refusal | null {
  return (pending) => {
    if (phase.current === 'draining') return RESTARTING
    if (eventLoop.isLate()) return LATE
    return registry.size + pending >= maxConnections ? FULL : null
  }
}
