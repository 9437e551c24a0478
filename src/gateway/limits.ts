import type { Audit } from '../observe/audit.js'
import type { Config } from '../config/config.js'
import { createAddressBlocks, rememberBlocks, type OnDecided } from '../limits/address-blocks.js'
import { createGuardedLimiter } from '../limits/outage/guarded-limiter.js'
import { LimitUndecided, type Limiter } from '../limits/limiter.js'
import { createMemoryLimiter } from '../limits/memory/limiter.js'
import { createMessageLimit, type MessageLimit } from '../limits/messages/message-limit.js'
import { createGuardedReading } from '../limits/outage/guarded-reading.js'
import type { ReadLimits } from '../limits/reading.js'
import { createRedisLimitReader } from '../limits/redis/limit-reader.js'
import { createRedisLimiter, type RecordOptions } from '../limits/redis/limiter.js'
import type { Metrics } from '../observe/metrics/metrics.js'
import { classifyFailure, isAway, type AwayCause } from '../redis/failure.js'
import { findErrorCode } from '../error-code.js'
import type { RedisConnection } from '../redis/connect.js'
import { limitPrefix } from './limit-prefix.js'
import type { RedisFailures } from './redis-failures.js'

export interface Limits {
  readonly limiter: Limiter
  readonly messageLimit: MessageLimit
  /**
   * Ms for which an address is known to be over; always 0 in dry-run. More than 0 counts as a refused decision: to be asked
   * once for each attempt, which ends there.
   */
  readonly blockedForMs: (addressKey: string) => number
  /** The same for an operator's question, which is no attempt: nothing is counted. */
  readonly knownBlockMs: (addressKey: string) => number
  /** What an attempt would meet; null: the program's own limiter decides, which can't be asked without counting. */
  readonly read: ReadLimits | null
  /** Counts the decision that a user has no slot left, where it was made without the limiter. */
  readonly noteUserFull: () => void
  /** Null: without Redis. False also while it hangs or refuses to write. */
  readonly redisUp: () => boolean | null
  /** Redis was not reached, at the start or by a heartbeat: the policy decides, and says so, before anybody connects. */
  readonly noteRedisAway: () => void
  /** `askBack`: asks all processes for what was lent ahead of an address's message window. */
  start (askBack: (address: string) => void): void
  close (): Promise<void>
}

/** Frames of one address that may wait for a grant: what some thousand small frames in one read of a socket need. */
const MAX_WAITING_FRAMES = 50_000
const monotonic = (): number => performance.now()

/** For whom, and with whose leave, the connections' records are kept in Redis, where the limits are in dry-run too. */
export type KeepRecords = Omit<RecordOptions, 'prefix'>

type CountRefused = (limit: 'ip' | 'user') => void

/** Counts each decision: of memory, of Redis, and by remembered blocks. */
function createDecisionCount (metrics: Metrics, countRefused: CountRefused): OnDecided {
  return (request, admission) => {
    const refusedBy = admission.admitted ? null : admission.limit
    if (refusedBy === 'address') return countRefused('ip')
    if (request.address !== null) metrics.limitDecision('ip', 'allowed')
    if (refusedBy === 'user') countRefused('user')
    else if (request.lease !== null) metrics.limitDecision('user', 'allowed')
  }
}

/**
 * Lets everybody in after all, so that what is open is counted, and its record kept, from its beginning. An attempt that
 * cannot be decided by itself is let in as well: a dry run refuses nobody.
 */
function letThrough (limiter: Limiter, onDecided: OnDecided): Limiter {
  return {
    ...limiter,
    async admit (request) {
      const admission = await limiter.admit(request).catch((error: unknown) => {
        if (!(error instanceof LimitUndecided)) throw error
        return null
      })
      if (admission?.admitted !== true && request.lease !== null) await limiter.renew([request.lease])
      const decided = admission ?? { admitted: true }
      onDecided(request, decided)
      return decided
    }
  }
}

/** Why Redis cannot be reached, by what the last attempt to connect failed with. */
function causeOf (redis: RedisConnection): AwayCause | null {
  const failure = classifyFailure(redis.lastError())
  return failure.kind === 'away' ? failure.cause : null
}

/** A program's limiter may be a class, whose methods are lost where an object is spread, as the wrappers above do. */
function callThrough (limiter: Limiter): Limiter {
  return {
    admit: async (request) => await limiter.admit(request),
    release (lease) { limiter.release(lease) },
    vacate: async (leases) => { await limiter.vacate(leases) },
    renew: async (leases) => { await limiter.renew(leases) },
    takeGrant: async (request, settled) => await limiter.takeGrant(request, settled),
    settle (settled) { limiter.settle(settled) },
    close: async () => { await limiter.close() }
  }
}

/** A renewal writes, and is what an outage is probed with: whether it was answered says whether Redis does its work. */
function tellProbes (limiter: Limiter, noteProbe: (succeeded: boolean) => void): Limiter {
  return {
    ...limiter,
    renew: async (leases) => {
      try {
        await limiter.renew(leases)
        noteProbe(true)
      } catch (error) {
        noteProbe(!isAway(error))
        throw error
      }
    }
  }
}

type Store = Pick<Limits, 'limiter' | 'redisUp' | 'noteRedisAway' | 'read'>

export interface LimitsDeps {
  readonly config: Config
  readonly redis: RedisConnection | null
  readonly audit: Audit
  readonly metrics: Metrics
  readonly redisFailures: Pick<RedisFailures, 'note'>
  readonly keepRecords: KeepRecords
  /** The program's own limiter; null: the configured one. */
  readonly ownLimiter?: Limiter | null
  /** Users' own topics are remembered in Redis: where they stand is read beside the limits. */
  readonly readsTopics: boolean
  /** The name under which this process hears them; null: it subscribes to each of them. */
  readonly processName: string | null
}

function createStore (deps: LimitsDeps): Store {
  const { config, redis, audit, redisFailures, keepRecords, ownLimiter = null, readsTopics, processName } = deps
  const settings = config.limits
  if (ownLimiter !== null) {
    return { limiter: callThrough(ownLimiter), redisUp: () => redis?.isUp() ?? null, noteRedisAway: () => {}, read: null }
  }
  const local = createMemoryLimiter(settings, { now: monotonic })
  if (redis === null) {
    const read: ReadLimits = async question => ({ ...await local.read(question), decidedBy: 'process', isDegraded: false })
    return { limiter: local, redisUp: () => null, noteRedisAway: () => {}, read }
  }
  const basePrefix = config.redis?.prefix ?? ''
  const policy = settings.onRedisDown
  // Time must be left to answer, and for the policy, when Redis hangs.
  const callTimeoutMs = Math.min(1000, Math.max(5, config.upgrade.deadlineMs / 4))
  const onFailure = redisFailures.note
  const shared = createRedisLimiter(redis.commands, settings, {
    prefix: limitPrefix(config),
    callTimeoutMs,
    records: { ...keepRecords, prefix: basePrefix },
    history: readsTopics ? { prefix: basePrefix, process: processName, settings: config.history } : null,
    onFailure
  })
  const guarded = createGuardedLimiter({
    shared: tellProbes(shared, redis.noteProbe),
    local,
    policy,
    windowMs: Math.max(settings.addressWindowMs, settings.messageWindowMs),
    now: monotonic,
    onDegraded: (reason) => { audit.limitsDegraded(policy, reason, reason === 'unreachable' ? findErrorCode(redis.lastError()) : null) },
    onRestored: () => { audit.limitsRestored() },
    onFailure,
    unreachableBecause: () => causeOf(redis)
  })
  // The first time it forgets nothing: what was decided before it came began an outage, which has its own end.
  let wasUp = redis.isUp()
  redis.onChange((up) => {
    if (up && wasUp) guarded.noteReconnected()
    wasUp ||= up
  })
  return {
    limiter: guarded,
    redisUp: () => redis.isUp() && !guarded.isDegraded(),
    noteRedisAway: guarded.noteAway,
    read: createGuardedReading({
      shared: createRedisLimitReader(redis.commands, settings, { prefix: limitPrefix(config), callTimeoutMs }), local, policy, guarded
    })
  }
}

/** Puts the limits together: the store, what is known locally, and what is counted. */
export function composeLimits (deps: LimitsDeps): Limits {
  const { config, metrics } = deps
  const { dryRun } = config.limits
  const store = createStore(deps)
  const blocks = createAddressBlocks({ now: monotonic })
  const countRefused: CountRefused = (limit) => { metrics.limitDecision(limit, dryRun ? 'would_refuse' : 'refused') }
  const count = createDecisionCount(metrics, countRefused)
  const limiter = dryRun ? letThrough(store.limiter, count) : rememberBlocks(store.limiter, blocks, count)
  const knownBlockMs = (addressKey: string): number => dryRun ? 0 : blocks.blockedForMs(addressKey)
  let askBack = (_address: string): void => {}
  const messageLimit = createMessageLimit(limiter, {
    now: monotonic, maxWaiting: MAX_WAITING_FRAMES, onWaiting: (address) => { askBack(address) }
  })
  return {
    limiter,
    messageLimit,
    redisUp: store.redisUp,
    noteRedisAway: store.noteRedisAway,
    blockedForMs (addressKey) {
      const forMs = knownBlockMs(addressKey)
      if (forMs > 0) countRefused('ip')
      return forMs
    },
    knownBlockMs,
    read: store.read,
    noteUserFull () { countRefused('user') },
    start (handler) { askBack = handler },
    async close () {
      messageLimit.close()
      await limiter.close()
    }
  }
}
