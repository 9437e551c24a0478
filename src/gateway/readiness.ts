import type { IssuerStatus } from '../tokens/token-verifier.js'

export type UnreadyReason = 'starting' | 'draining' | 'no_issuer_keys' | 'redis'

/** Whether traffic may be sent here, and why not. */
export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly UnreadyReason[]
  /** Names of the issuers whose tokens cannot be checked now; with others at hand that is no reason. */
  readonly issuersWithoutKeys: readonly string[]
  /** Numbers of the workers that take no connections; with others at hand that is no reason once all have. Absent without workers. */
  readonly workersMissing?: readonly number[]
}

export interface ReadinessFacts {
  readonly started: boolean
  readonly draining: boolean
  readonly issuers: readonly IssuerStatus[]
  /** Redis is needed (policy `closed`) and does not answer. */
  readonly redisMissing: boolean
}

/** Ready: started, not draining, every issuer tried and the keys of at least one at hand, and Redis if it is needed. */
export function judgeReadiness ({ started, draining, issuers, redisMissing }: ReadinessFacts): Readiness {
  const allTried = issuers.every((issuer) => issuer.tried)
  const checks: ReadonlyArray<readonly [UnreadyReason, boolean]> = [
    ['starting', !started || !allTried],
    ['draining', draining],
    ['no_issuer_keys', allTried && issuers.length > 0 && !issuers.some((issuer) => issuer.usable)],
    ['redis', redisMissing]
  ]
  const reasons = checks.filter(([, holds]) => holds).map(([reason]) => reason)
  const issuersWithoutKeys = issuers.filter((issuer) => !issuer.usable).map((issuer) => issuer.name)
  return { ready: reasons.length === 0, reasons, issuersWithoutKeys }
}
