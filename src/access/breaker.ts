import { AccessError } from './access-error.js'

export interface BreakerOptions {
  /** Failures in a row that open it: 1 or more. */
  readonly failures: number
  /** How long it stays open before one call may try, in ms. */
  readonly openMs: number
  readonly now: () => number
}

/** Keeps calls away from a back end that does not answer. */
export interface Breaker {
  /** Runs the work, or rejects at once with `AccessError` while open. */
  run<T> (work: () => Promise<T>): Promise<T>
}

/**
 * Makes a circuit breaker: opens after `failures` failures in a row, lets one probe through after `openMs`, closes when
 * the probe succeeds. An error that the back end itself answered with is no failure: one user's broken claims must not
 * lock everybody out.
 */
export function createBreaker ({ failures, openMs, now }: BreakerOptions): Breaker {
  let failed = 0
  let openUntilMs = 0
  let probing = false

  function refuses (): boolean {
    return failed >= failures && (probing || now() < openUntilMs)
  }

  function settle (ok: boolean): void {
    if (ok) {
      failed = 0
    } else {
      failed += 1
      if (failed >= failures) openUntilMs = now() + openMs
    }
  }

  return {
    async run (work) {
      if (refuses()) throw new AccessError('the back end is away; not asked again yet')
      const isProbe = failed >= failures
      if (isProbe) probing = true
      try {
        const result = await work()
        settle(true)
        return result
      } catch (error) {
        settle(error instanceof AccessError && error.answered)
        throw error
      } finally {
        if (isProbe) probing = false
      }
    }
  }
}
