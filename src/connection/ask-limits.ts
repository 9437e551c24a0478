import { userTopic } from '../bus/topics.js'
import type { HeadQuestion } from '../history/history.js'
import { parsePosition } from '../history/position.js'
import type { Admission, Lease, Limiter, Resume } from '../limits/limiter.js'
import { refuse, type Refusal } from '../refusals.js'
import { describe, type Attempt } from './attempt.js'
import type { Report } from './report.js'

export interface AskLimitsDeps {
  readonly limiter: Pick<Limiter, 'admit' | 'release'>
  /** The address and user limits are decided and written down, but let through. */
  readonly dryRun: boolean
  readonly report: Pick<Report, 'wouldRefuse'>
}

const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })

/** What of an attempt the limits are asked about; null: not that. */
export interface LimitsQuestion {
  /** To be counted against its limit. */
  readonly address: string | null
  /** The slot that it wants. */
  readonly lease: Lease | null
  readonly resume?: Resume | null
}

/**
 * Asks the limits; on yes the attempt holds the lease, also when it was settled meanwhile, and the answer is what `onYes` gives.
 * Rejects only as `onYes` throws. Not async, and `onYes` instead of one more promise: every upgrade waits here, and what is kept meanwhile
 * outlives a scavenge.
 */
export function askLimits<Yes> (
  deps: AskLimitsDeps, attempt: Attempt, { address, lease, resume = null }: LimitsQuestion, onYes: () => Yes
): Promise<Refusal | Yes> {
  if (address === null && lease === null) return Promise.resolve(onYes())
  const own = lease === null ? null : askOwn(attempt)
  const decided = deps.limiter.admit({ address, resume, lease, own })
  return decided.then(admission => takeAdmission(deps, attempt, lease, admission) ?? onYes(), () => {
    // A store whose answer was lost may have taken it.
    if (lease !== null) deps.limiter.release(lease)
    return LIMITS_AWAY
  })
}

function takeAdmission ({ dryRun, report }: AskLimitsDeps, attempt: Attempt, lease: Lease | null, admission: Admission): Refusal | null {
  if (!admission.admitted) {
    const refusal = refuse(admission.limit === 'address' ? 'ip_rate_limited' : 'user_connection_limit', { retryAfterMs: admission.retryAfterMs })
    if (!dryRun) return refusal
    report.wouldRefuse(describe(attempt, performance.now() - attempt.startedMs, false), refusal)
  } else {
    attempt.head = admission.head ?? null
  }
  attempt.lease = lease
  return null
}

/** Where the user's own topic stands goes along with the lease, so that `welcome` can name it. */
function askOwn ({ identity, request }: Attempt): HeadQuestion | null {
  if (identity === null || identity.insecure) return null
  const topic = userTopic(identity.userId)
  return topic === null ? null : { topic, since: request.since === null ? null : parsePosition(request.since), touch: true }
}
