import type { Logger } from 'pino'
import { ANONYMOUS } from '../tokens/claims.js'
import type { Identity } from '../tokens/identity.js'
import { writeEvent } from '../observe/log/log.js'

/** Lets connections in without a token, until a moment that is set before. */
export interface BreakGlass {
  /** The identity of those without a token while it is in force; else null. */
  anonymous (): Identity | null
  /** Warns now and every minute, until it has ended. */
  start (): void
  stop (): void
}

const WARN_EVERY_MS = 60_000
const OFF: BreakGlass = { anonymous: () => null, start () {}, stop () {} }

/** Makes the break-glass mode until `untilMs` (ms since the epoch); null: there is none. */
export function createBreakGlass (untilMs: number | null, log: Logger): BreakGlass {
  if (untilMs === null) return OFF
  const until = new Date(untilMs).toISOString()
  const identity: Identity = {
    userId: ANONYMOUS,
    subject: ANONYMOUS,
    issuer: '',
    claims: {},
    expiresAtMs: untilMs,
    issuedAtMs: null,
    tokenId: null,
    sessionId: null,
    scopes: new Set(),
    confirmation: null,
    insecure: true
  }
  let timer: NodeJS.Timeout | undefined
  const stop = (): void => { clearInterval(timer) }
  const warn = (): void => {
    if (Date.now() < untilMs) return writeEvent(log, { event: 'insecure.open', insecure: true, until })
    stop()
    writeEvent(log, { event: 'insecure.ended', until })
  }
  return {
    anonymous: () => Date.now() < untilMs ? identity : null,
    start () {
      timer = setInterval(warn, WARN_EVERY_MS).unref()
      warn()
    },
    stop
  }
}
