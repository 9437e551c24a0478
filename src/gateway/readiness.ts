import type { IssuerStatus } from '../tokens/token-verifier.js'

export type UnreadyReason = 'starting' | 'draining' | 'no_issuer_keys' | 'redis' | 'redis_rights' | 'control_channel' | 'access_unsafe' | 'descriptors'

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
  /** The user of Redis may not ask the limits: no attempt can be decided. */
  readonly rightsMissing: boolean
  /** The channel of orders is not subscribed: others' orders would not arrive in time. */
  readonly channelMissing: boolean
  /** The database that decides does not protect its rows: it shows nobody anything. */
  readonly accessUnsafe: boolean
  /** The main port is closed, as descriptors are short. */
  readonly doorShut: boolean
}

/**
 * Ready: started, not draining, every issuer tried and the keys of at least one at hand, Redis if it is needed, the rights
 * there, a database that is safe, and the main port open.
 */
export function judgeReadiness (facts: ReadinessFacts): Readiness {
  const { started, draining, issuers, redisMissing, rightsMissing, channelMissing, accessUnsafe, doorShut } = facts
  const allTried = issuers.every((issuer) => issuer.tried)
  const checks: ReadonlyArray<readonly [UnreadyReason, boolean]> = [
    ['starting', !started || !allTried],
    ['draining', draining],
    ['no_issuer_keys', allTried && issuers.length > 0 && !issuers.some((issuer) => issuer.usable)],
    ['redis', redisMissing],
    ['redis_rights', rightsMissing],
    ['control_channel', channelMissing],
    ['access_unsafe', accessUnsafe],
    ['descriptors', doorShut]
  ]
  const reasons = checks.filter(([, holds]) => holds).map(([reason]) => reason)
  const issuersWithoutKeys = issuers.filter((issuer) => !issuer.usable).map((issuer) => issuer.name)
  return { ready: reasons.length === 0, reasons, issuersWithoutKeys }
}
