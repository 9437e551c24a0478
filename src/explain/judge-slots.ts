import type { LimitsReading } from '../limits/reading.js'
import { refuse } from '../refusals.js'
import { showValue } from '../tokens/show-value.js'
import { fail, pass, type Finding } from './finding.js'
import { LIMITS_AWAY } from './judge-address.js'

export interface JudgeSlotsDeps {
  readonly dryRun: boolean
  /** Slots of each user. */
  readonly limit: number
  /** Open connections of an owner in this process. */
  readonly openHere: (owner: string) => number
}

const BY_LIMIT = { setting: 'WS_USER_CONNECTIONS' }
const BY_POLICY = { setting: 'WS_LIMITS_ON_REDIS_DOWN' }

/**
 * Whether the user has a slot left. `owner`: null: an anonymous connection takes those of its address, and none was given.
 * `reading`: null: the program's own limiter decides.
 */
export function judgeSlots (
  { dryRun, limit, openHere }: JudgeSlotsDeps, userId: string, owner: string | null, reading: LimitsReading | null
): Finding {
  if (owner === null) return pass('the slots of an anonymous connection count per address, and none was given')
  const here = openHere(owner)
  if (reading === null && here < limit) return pass('the program\'s own limiter decides, and is not asked')
  if (reading?.decidedBy === 'nobody_passes') return fail(LIMITS_AWAY, 'Redis is away, and WS_LIMITS_ON_REDIS_DOWN is closed', BY_POLICY)
  if (reading?.decidedBy === 'undecided' && !dryRun) return fail(LIMITS_AWAY, 'Redis cannot decide for this user: see redis.denied in the log')
  const used = reading?.decidedBy === 'everybody_passes' ? here : Math.max(here, reading?.slots?.used ?? 0)
  const by = reading?.isDegraded === true ? ', by this process alone, as Redis is away' : ''
  const counted = `${used} connections of ${showValue(userId)} are open, WS_USER_CONNECTIONS is ${limit}${by}`
  if (used < limit) return pass(counted, BY_LIMIT)
  return dryRun
    ? pass(`${counted}; WS_LIMITS_MODE is dry-run: it is let through`, { setting: 'WS_LIMITS_MODE' })
    : fail(refuse('user_connection_limit', { retryAfterMs: 5000 }), counted, BY_LIMIT)
}
