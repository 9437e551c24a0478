import { MAX_TIMER_MS } from './reconnect-delay.js'
import { RequestError } from './request-error.js'

export interface TokenRefreshOptions {
  /** The token that the connection was opened with. */
  readonly token: string
  readonly beforeMs: number
  readonly ask: () => Promise<string | null>
  /** Gives the gateway a new token; resolves with its end as the gateway tells it. */
  readonly present: (token: string) => Promise<string>
  /** The gateway has taken this one. */
  readonly onToken: (token: string) => void
  readonly onSignedOut: () => void
}

/** Replaces the token of one connection before it ends. */
export interface TokenRefresh {
  start (expiresAt: string): void
  /** The gateway warns: its clock counts, should ours be wrong. */
  warn (expiresAt: string): void
  stop (): void
}

/** Most ms before a token's end at which a gateway sends `expiring`. */
const WARNED_BEFORE_MS = 30_000
/** A token that lives for seconds is not replaced more often than this. */
const LEAST_MS = 1000
const RETRY_CAP_MS = 30_000

const leftMs = (expiresAt: string): number => Date.parse(expiresAt) - Date.now()

export function createTokenRefresh ({ token, beforeMs, ask, present, onToken, onSignedOut }: TokenRefreshOptions): TokenRefresh {
  let current = token
  let timer: ReturnType<typeof setTimeout> | undefined
  let dueAtMs = Infinity
  let isBusy = false
  let isStopped = false
  let failures = 0

  function plan (inMs: number): void {
    clearTimeout(timer)
    dueAtMs = Date.now() + inMs
    timer = setTimeout(() => {
      const earlyMs = dueAtMs - Date.now()
      if (earlyMs > 0) plan(earlyMs)
      else void run()
    }, Math.min(inMs, MAX_TIMER_MS))
  }
  function planBefore (expiresAt: string): void {
    const left = leftMs(expiresAt)
    // The gateway holds the token for good, so our clock is ahead: its warning will come in time.
    if (left > 0) plan(Math.max(LEAST_MS, left - Math.min(beforeMs, left / 2)))
  }
  function planRetry (toldMs: number): void {
    plan(Math.max(toldMs, Math.min(RETRY_CAP_MS, LEAST_MS * 2 ** Math.min(failures++, 10))))
  }

  async function replace (): Promise<void> {
    const next = await ask()
    if (isStopped) return
    if (next === null) return onSignedOut()
    // The source has no newer one yet: to present the same again would change nothing.
    if (next === current) return planRetry(0)
    const expiresAt = await present(next)
    if (isStopped) return
    current = next
    failures = 0
    onToken(next)
    planBefore(expiresAt)
  }
  async function run (): Promise<void> {
    isBusy = true
    dueAtMs = Infinity
    try {
      await replace()
    } catch (error) {
      // The old token is in force until it ends, and the gateway ends the connection then.
      if (!isStopped) planRetry(error instanceof RequestError ? error.retryAfterMs ?? 0 : 0)
    } finally {
      isBusy = false
    }
  }
  return {
    start: planBefore,
    warn (expiresAt) {
      if (isBusy || isStopped) return
      const inMs = Math.min(WARNED_BEFORE_MS, Math.max(0, leftMs(expiresAt))) / 2
      if (Date.now() + inMs < dueAtMs) plan(Math.max(LEAST_MS, inMs))
    },
    stop () {
      isStopped = true
      clearTimeout(timer)
    }
  }
}
