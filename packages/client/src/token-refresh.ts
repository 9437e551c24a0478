import { MAX_TIMER_MS, type Clock } from './clock.js'
import { RequestError } from './request-error.js'
import { createTokenLife } from './token-life.js'

export interface TokenRefreshOptions {
  /** The token that the connection was opened with. */
  readonly token: string
  /** The gateway's clock as `welcome` tells it; undefined from a gateway that does not. */
  readonly time: string | undefined
  readonly beforeMs: number
  readonly ask: () => Promise<string | null>
  /** Gives the gateway a new token; resolves with its end as the gateway tells it. */
  readonly present: (token: string) => Promise<string>
  /** The gateway has taken this one. */
  readonly onToken: (token: string) => void
  readonly onSignedOut: () => void
  readonly clock: Clock
}

/** Replaces the token of one connection before it ends. */
export interface TokenRefresh {
  start (expiresAt: string): void
  /** The gateway warns that the token ends. */
  warn (expiresAt: string): void
  stop (): void
}

/** Most ms before a token's end at which a gateway sends `expiring`. */
const WARNED_BEFORE_MS = 30_000
/** A token that lives for seconds is not replaced more often than this. */
const LEAST_MS = 1000
const RETRY_CAP_MS = 30_000

export function createTokenRefresh (options: TokenRefreshOptions): TokenRefresh {
  const { beforeMs, ask, present, onToken, onSignedOut, clock: { now, after } } = options
  const life = createTokenLife(options.time, now)
  let current = options.token
  let cancel = (): void => {}
  let dueAtMs = Infinity
  let isBusy = false
  let isStopped = false
  let failures = 0

  function plan (inMs: number): void {
    cancel()
    dueAtMs = now() + inMs
    cancel = after(Math.min(inMs, MAX_TIMER_MS), () => {
      if (dueAtMs > now()) plan(dueAtMs - now())
      else void run()
    })
  }
  function planBefore (expiresAt: string): void {
    const leftMs = life.leftMs(current, expiresAt)
    // The gateway took it within its tolerance, or says nothing that can be read: its warning comes in time.
    if (leftMs !== null && leftMs > 0) plan(Math.max(LEAST_MS, leftMs - Math.min(beforeMs, leftMs / 2)))
  }
  function planRetry (toldMs: number): void {
    plan(Math.max(toldMs, Math.min(RETRY_CAP_MS, LEAST_MS * 2 ** Math.min(failures++, 10))))
  }
  /** A source whose tokens are over as they come is asked ever more seldom. */
  const isOver = (expiresAt: string): boolean => (life.leftMs(current, expiresAt) ?? Infinity) <= LEAST_MS

  async function replace (): Promise<void> {
    const next = await ask()
    if (isStopped) return
    if (next === null) return onSignedOut()
    // The source has no newer one yet: to present the same again would change nothing.
    if (next === current) return planRetry(0)
    const expiresAt = await present(next)
    if (isStopped) return
    current = next
    onToken(next)
    if (isOver(expiresAt)) return planRetry(0)
    failures = 0
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
      // Its replacement is put off already: each token of this source is over as it comes.
      if (isOver(expiresAt) && dueAtMs < Infinity) return
      const inMs = Math.max(LEAST_MS, Math.min(WARNED_BEFORE_MS, life.leftMs(current, expiresAt) ?? 0) / 2)
      if (now() + inMs < dueAtMs) plan(inMs)
    },
    stop () {
      isStopped = true
      cancel()
    }
  }
}
