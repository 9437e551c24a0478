import type { Config } from '../config/config.js'
import { refuse, type Refusal } from '../refusals.js'
import type { Ground } from './ground.js'

/** To those who come too late. */
export const RESTARTING = refuse('restarting', { retryAfterMs: 1000 })
const FULL = refuse('overloaded', { retryAfterMs: 1000, detail: 'connections' })
const NO_DESCRIPTORS = refuse('overloaded', { retryAfterMs: 1000, detail: 'descriptors' })
const LATE = refuse('overloaded', { retryAfterMs: 2000, detail: 'event loop' })

/**
 * Whether a gateway that drains closes its listening socket. A proxy tries another gateway at once where nobody listens; it
 * would pass on a 503, and prefer the gateway that empties. A client without a proxy reads that 503 and its delay.
 */
export const stopsListening = ({ upgrade }: Config): boolean => upgrade.trustedProxies !== null

/**
 * Makes what says why nobody is taken in right now; null: everybody is. `pending`: upgrades under way, and sockets that were
 * accepted to be closed.
 */
export function createGate (
  { config, phase, eventLoop, registry, descriptors }: Pick<Ground, 'config' | 'phase' | 'eventLoop' | 'registry' | 'descriptors'>
): (pending: number) => Refusal | null {
  const { maxConnections } = config.server
  return (pending) => {
    // Who can still reach a socket that is closed had knocked before: the client reads no 503 behind its proxy, but it is
    // told by `closing` once it is in.
    if (phase.current === 'closing' || (phase.current === 'draining' && !stopsListening(config))) return RESTARTING
    if (eventLoop.isLate()) return LATE
    const count = registry.size + pending
    if (count >= maxConnections) return FULL
    return count >= descriptors.maxConnections ? NO_DESCRIPTORS : null
  }
}
