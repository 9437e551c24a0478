import { refuse, type Refusal } from '../refusals.js'
import type { Ground } from './ground.js'

const RESTARTING = refuse('restarting', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 1000, detail: 'connections' })
const NO_DESCRIPTORS = refuse('overloaded', { retryAfterMs: 1000, detail: 'descriptors' })
const LATE = refuse('overloaded', { retryAfterMs: 2000, detail: 'event loop' })

/**
 * Makes what says why nobody is taken in right now; null: everybody is. `pending`: upgrades under way, and sockets that were
 * accepted to be closed.
 */
export function createGate (
  { phase, eventLoop, registry, descriptors, config }: Pick<Ground, 'phase' | 'eventLoop' | 'registry' | 'descriptors' | 'config'>
): (pending: number) => Refusal | null {
  return (pending) => {
    if (phase.current === 'draining') return RESTARTING
    if (eventLoop.isLate()) return LATE
    const count = registry.size + pending
    if (count >= config.server.maxConnections) return FULL
    return count >= descriptors.maxConnections ? NO_DESCRIPTORS : null
  }
}
