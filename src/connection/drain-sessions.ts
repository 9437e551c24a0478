import { refuse } from '../refusals.js'
import { endSession } from './end-session.js'
import type { Registry } from './registry.js'
import { sendFrame } from './send-frame.js'

const STEP_MS = 50
/** Clients come back spread over so long after their close. */
const RECONNECT_SPREAD_MS = 5000

/**
 * Ends every open connection with 1012, evenly over `drainMs`: each is told when to come back by a `closing` frame, at
 * a random moment, so that a deploy is no stampede. Resolves when none is left.
 */
export async function drainSessions (
  registry: Registry, drainMs: number, maxBufferedBytes: number, isUrgent: () => boolean
): Promise<void> {
  const endAtMs = performance.now() + drainMs
  while (registry.size > 0) {
    const stepsLeft = isUrgent() ? 1 : Math.max(1, Math.ceil((endAtMs - performance.now()) / STEP_MS))
    let share = Math.ceil(registry.size / stepsLeft)
    for (const session of [...registry.all()]) {
      if (share-- === 0) break
      const retryAfterMs = Math.floor(Math.random() * RECONNECT_SPREAD_MS)
      sendFrame(session, { type: 'closing', code: 1012, error: 'restarting', reconnect_after_ms: retryAfterMs }, maxBufferedBytes)
      endSession(session, refuse('restarting', { retryAfterMs }))
    }
    if (registry.size > 0) await new Promise<void>((resolve) => { setTimeout(resolve, STEP_MS) })
  }
}
