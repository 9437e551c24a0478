import { isAway } from '../../redis/failure.js'
import type { DecidedBy, LimitReader, ReadLimits, StoreReading } from '../reading.js'
import type { GuardedLimiter, RedisDownPolicy } from './guarded-limiter.js'

export interface GuardedReadingOptions {
  /** In Redis; its calls are bounded in time. */
  readonly shared: LimitReader
  /** What decides while Redis is away, with `local`. */
  readonly local: LimitReader
  readonly policy: RedisDownPolicy
  readonly guarded: Pick<GuardedLimiter, 'isDegraded' | 'carriedWaitMs'>
}

const NOTHING: StoreReading = { address: null, slots: null }
const BY_POLICY = { local: 'process', open: 'everybody_passes', closed: 'nobody_passes' } as const satisfies Record<RedisDownPolicy, DecidedBy>

/**
 * Reads the limits as the guarded limiter decides by them. A call that finds Redis away answers by the policy, as an attempt would, and
 * begins no outage: a question changes nothing.
 */
export function createGuardedReading ({ shared, local, policy, guarded }: GuardedReadingOptions): ReadLimits {
  return async (question) => {
    const readByPolicy = async () => ({ ...await local.read(question), decidedBy: BY_POLICY[policy], isDegraded: true })
    if (guarded.isDegraded()) return await readByPolicy()
    try {
      const reading = await shared.read(question)
      const carriedMs = question.address === null ? 0 : guarded.carriedWaitMs(question.address)
      const address = reading.address === null ? null : { ...reading.address, waitMs: Math.max(reading.address.waitMs, carriedMs) }
      return { ...reading, address, decidedBy: 'redis', isDegraded: false }
    } catch (error) {
      return isAway(error) ? await readByPolicy() : { ...NOTHING, decidedBy: 'undecided', isDegraded: false }
    }
  }
}
