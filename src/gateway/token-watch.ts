import { steadyNow } from '../clocks.js'
import { endSession } from '../connection/send-end-close.js'
import { createTokenWatch, NO_TOKEN_WATCH, type TokenWatch } from '../connection/token-watch.js'
import { writeEvent } from '../observe/log/log.js'
import { createMinuteLines } from '../observe/minute-lines.js'
import { refuse } from '../refusals.js'
import { SYSTEM_TIMERS } from '../timers.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'

const REVOKED = refuse('revoked', { detail: 'inactive' })
const AWAY = refuse('unavailable', { retryAfterMs: 5000, detail: 'introspection_unavailable' })

/** Puts together who holds open connections to the word of their issuers; nobody, where none is asked. */
export function composeTokenWatch ({ config, log }: Ground, { standing }: TokenVerifier, exits: Exits): TokenWatch {
  if (standing === undefined) return NO_TOKEN_WATCH
  const lines = createMinuteLines(steadyNow)
  exits.add(lines.close)
  return createTokenWatch({
    standing,
    maxAwayMs: config.tokens.jwks.maxStaleMs,
    onInactive: (session) => { endSession(session, REVOKED) },
    onAway: (session) => { endSession(session, AWAY) },
    onLate: (lateMs) => {
      lines.note('late', 1, (count) => { writeEvent(log, { event: 'introspection.late', duration_ms: Math.round(lateMs), count }) })
    },
    now: steadyNow,
    timers: SYSTEM_TIMERS,
    random: Math.random
  })
}
