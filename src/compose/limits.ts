import type { Audit } from '../audit/audit.js'
import type { Config } from '../config/config.js'
import { createAddressBlocks, rememberBlocks } from '../limits/address-blocks.js'
import { createGuardedLimiter } from '../limits/guarded-limiter.js'
import type { Limiter, LimitSettings } from '../limits/limiter.js'
import { createMemoryLimiter } from '../limits/memory-limiter.js'
import { createMessageBudget, type MessageBudget } from '../limits/message-budget.js'
import { createRedisLimiter } from '../limits/redis-limiter.js'
import type { Metrics } from '../metrics/metrics.js'
import type { RedisConnection } from '../redis/connect.js'

export interface Limits {
  readonly limiter: Limiter
  readonly budget: MessageBudget
  /** Ms for which an address is known to be over; always 0 in dry-run. */
  readonly blockedForMs: (addressKey: string) => number
  /** Null: without Redis. False also while it hangs or refuses to write. */
  readonly redisUp: () => boolean | null
  close (): Promise<void>
}

/** Frames of one address that may wait for a grant: what some thousand small frames in one read of a socket need. */
const MAX_WAITING_FRAMES = 50_000
const monotonic = (): number => performance.now()
/** Dry-run decides on keys of its own, so that it can run beside a fleet that enforces. */
const DRY_RUN_PREFIX = 'dry-run:'

function countDecisions (limiter: Limiter, metrics: Metrics, dryRun: boolean): Limiter {
  return {
    ...limiter,
    async admit (request) {
      const admission = await limiter.admit(request)
      const addressRefused = !admission.admitted && admission.limit === 'address'
      const refused = dryRun ? 'would_refuse' : 'refused'
      if (request.address !== null) metrics.limitDecision('ip', addressRefused ? refused : 'allowed')
      if (request.lease !== null && !addressRefused) metrics.limitDecision('user', admission.admitted ? 'allowed' : refused)
      return admission
    }
  }
}

interface Store { readonly limiter: Limiter, readonly redisUp: () => boolean | null }

function createStore (settings: LimitSettings, config: Config, redis: RedisConnection | null, audit: Audit): Store {
  const local = createMemoryLimiter(settings, { now: monotonic })
  if (redis === null) return { limiter: local, redisUp: () => null }
  const prefix = (config.redis?.prefix ?? '') + (config.limits.dryRun ? DRY_RUN_PREFIX : '')
  const policy = config.limits.onRedisDown
  // Time must be left to answer, and for the policy, when Redis hangs.
  const callTimeoutMs = Math.min(1000, Math.max(5, config.upgrade.deadlineMs / 4))
  const guarded = createGuardedLimiter({
    shared: createRedisLimiter(redis.commands, settings, { prefix, callTimeoutMs }),
    local,
    policy,
    now: monotonic,
    onDegraded: (reason) => { audit.limitsDegraded(policy, reason) },
    onRestored: () => { audit.limitsRestored() }
  })
  return { limiter: guarded, redisUp: () => redis.isUp() && !guarded.isDegraded() }
}

/** Puts the limits together: the store, what is known locally, and what is counted. */
export function composeLimits (config: Config, redis: RedisConnection | null, audit: Audit, metrics: Metrics): Limits {
  const { dryRun } = config.limits
  const store = createStore(config.limits, config, redis, audit)
  const counted = countDecisions(store.limiter, metrics, dryRun)
  const blocks = createAddressBlocks({ now: monotonic })
  const limiter = dryRun ? counted : rememberBlocks(counted, blocks)
  const budget = createMessageBudget(limiter, { now: monotonic, maxWaiting: MAX_WAITING_FRAMES })
  return {
    limiter,
    budget,
    redisUp: store.redisUp,
    blockedForMs: dryRun ? () => 0 : blocks.blockedForMs,
    async close () {
      budget.close()
      await limiter.close()
    }
  }
}
