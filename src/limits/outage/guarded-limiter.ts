import { LimitUndecided, type Admission, type Admit, type Grant, type GrantRequest, type GrantSettlement, type Lease, type Limiter } from '../limiter.js'
import type { MemoryLimiter } from '../memory/limiter.js'
import { classifyFailure, type AwayCause } from '../../redis/failure.js'
import { createCarriedWindows } from './carried-windows.js'
import { createOutage, type Outage } from './outage.js'
import { split } from '../../collections/split.js'

/**
 * What happens while Redis is away. `local`: this process's own limits decide. `open`: all attempts pass. `closed`: all
 * attempts are refused as unavailable. Messages on open sockets are counted by this process in `local` and `closed`
 * alike: closing every socket of a fleet because Redis restarts would be an outage of our own making. `open` lets them pass.
 */
export type RedisDownPolicy = 'local' | 'open' | 'closed'

/** No attempt can be decided: Redis is away, and the policy is `closed`. */
export class LimitsUnavailable extends Error {
  override readonly name = 'LimitsUnavailable'
}

export interface GuardedLimiterOptions {
  /** In Redis; each of its calls is bounded in time. */
  readonly shared: Limiter
  /** Always told of every lease, so that it can take over, and so that Redis can be told again. */
  readonly local: MemoryLimiter
  readonly policy: RedisDownPolicy
  /** The longer of the addresses' two windows. */
  readonly windowMs: number
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Once per outage. */
  readonly onDegraded: (cause: AwayCause) => void
  /** Once per outage, when this process's leases are registered in Redis again. */
  readonly onRestored: (downMs: number) => void
  /** Something went wrong that concerns one attempt, address or lease alone, or a right of this user of Redis. */
  readonly onFailure: (error: unknown) => void
  /** More exactly why Redis cannot be reached, where that is known. */
  readonly unreachableBecause?: () => AwayCause | null
}

export interface GuardedLimiter extends Limiter {
  /** True while the policy decides. */
  isDegraded (): boolean
  /** ms for which this process's own count refuses an attempt after an outage; 0: it does not. Counts nothing. */
  carriedWaitMs (address: string): number
  /** Begins an outage without a call that failed: Redis was not reached, at the start or by a heartbeat. */
  noteAway (): void
  /** The connection was lost and is there again, perhaps between two calls: Redis may have come back empty. */
  noteReconnected (): void
}

const LEASES_PER_CALL = 500
/** Leases taken during the last pass, which is short, are registered by the next renewal. */
const REGISTER_PASSES = 3
/** No user has this name. The key is written and removed again, which shows that scripts run and may write. */
const PROBE: Lease = { owner: '', connectionId: 'probe' }
const LOCAL_GRANT = 'local:'

/** What decides while Redis is away. */
function createPolicy (local: MemoryLimiter, policy: RedisDownPolicy) {
  const admitWithout = async (request: Admit): Promise<Admission> => {
    if (policy === 'closed') throw new LimitsUnavailable('the limits cannot be checked')
    if (policy === 'local') return await local.admit(request)
    local.noteAttempt(request)
    if (request.lease !== null) local.hold(request.lease)
    return { admitted: true }
  }
  const grantWithout = async (request: GrantRequest): Promise<Grant> => {
    if (policy === 'open') {
      local.noteMessages(request.address, request.demand)
      return { id: LOCAL_GRANT, granted: request.demand + request.spare, retryAfterMs: 0, unsettledMs: 0 }
    }
    const grant = await local.takeGrant(request, [])
    return { ...grant, id: LOCAL_GRANT + grant.id }
  }
  const settleLocal = (settled: readonly GrantSettlement[]): void => {
    local.settle(settled.filter(isLocal).map((one) => ({ ...one, id: one.id.slice(LOCAL_GRANT.length) })))
  }
  return { admitWithout, grantWithout, settleLocal }
}

/**
 * A limiter that Redis's absence does not stop: after one call that failed because Redis is away the policy decides, until
 * Redis is back. What went wrong with one attempt alone is that attempt's: its call rejects, and everybody else's go on.
 */
export function createGuardedLimiter (options: GuardedLimiterOptions): GuardedLimiter {
  const { local, policy } = options
  const carried = createCarriedWindows(options)
  const shared = carried.limiter
  const outage = createOutage({
    ...options, recover: async () => { await registerAgain(shared, local) }, onRestored: tellBoth(carried.noteRestored, options.onRestored)
  })
  const { failAway, beginsOutage } = judgeFailures(outage, options)
  const { admitWithout, grantWithout, settleLocal } = createPolicy(local, policy)

  return {
    // No async function: each attempt passes this limiter and those around it, and async functions were a fifth of its garbage.
    admit: (request) => outage.isDown()
      ? admitWithout(request)
      : shared.admit(request).then((admission) => {
        if (admission.admitted && request.lease !== null) local.hold(request.lease)
        return admission
      }, async (error: unknown) => {
        if (!beginsOutage(error)) throw new LimitUndecided()
        return await admitWithout(request)
      }),
    release: (lease) => {
      local.release(lease)
      // Also while Redis is away: the recovery may be registering this very lease again at this moment.
      shared.release(lease)
    },
    vacate: async (leases) => {
      await local.vacate(leases)
      const vacated = shared.vacate(leases)
      // Not awaited while Redis is away, but sent: the recovery may be registering these very leases again at this moment.
      if (!outage.isDown()) await vacated
    },
    renew: async (leases) => {
      await local.renew(leases)
      if (outage.isDown()) return
      await shared.renew(leases).catch(beginsOutage)
    },
    takeGrant: async (request, settled) => {
      settleLocal(settled)
      if (outage.isDown()) {
        carried.noteSettled(settled.filter(isShared))
        return await grantWithout(request)
      }
      try {
        return await shared.takeGrant(request, settled.filter(isShared))
      } catch (error) {
        if (!beginsOutage(error)) throw new LimitUndecided()
        return await grantWithout(request)
      }
    },
    settle: (settled) => {
      settleLocal(settled)
      // What Redis lent before an outage lapses there with the window.
      if (outage.isDown()) carried.noteSettled(settled.filter(isShared))
      else shared.settle(settled.filter(isShared))
    },
    close: async () => {
      outage.close()
      await Promise.all([shared.close(), local.close()])
    },
    isDegraded: outage.isDown,
    carriedWaitMs: address => carried.waitMs({ address }),
    noteAway () { failAway('unreachable') },
    noteReconnected: carried.noteRestored
  }
}

/** The windows hear of the end of an outage before those outside. */
function tellBoth (noteRestored: () => void, onRestored: (downMs: number) => void): (downMs: number) => void {
  return (downMs) => {
    noteRestored()
    onRestored(downMs)
  }
}

/** Sorts failures: an outage for all, or the affair of one attempt. */
function judgeFailures (outage: Outage, { onFailure, unreachableBecause = () => null }: GuardedLimiterOptions) {
  const failAway = (cause: AwayCause): void => { outage.fail(cause === 'unreachable' ? unreachableBecause() ?? cause : cause) }
  return {
    failAway,
    /** Whether the policy decides from now on. */
    beginsOutage (error: unknown): boolean {
      const failure = classifyFailure(error)
      if (failure.kind === 'away') failAway(failure.cause)
      else onFailure(error)
      return failure.kind === 'away'
    }
  }
}

/** Redis may have lost every lease. It counts right only when it knows them all again, so they go first, before any attempt. */
async function registerAgain (shared: Limiter, local: MemoryLimiter): Promise<void> {
  await shared.renew([PROBE])
  // Not by a release, which waits for an attempt: the key is gone before anybody hears that Redis is back.
  await shared.vacate([PROBE])
  const known = new Set<Lease>()
  // Several passes: the policy goes on letting connections in until all leases are registered.
  for (let pass = 0; pass < REGISTER_PASSES; pass++) {
    const left = [...local.liveLeases()].filter(lease => !known.has(lease))
    for (const part of split(left, LEASES_PER_CALL)) {
      await shared.renew(part)
      for (const lease of part) known.add(lease)
    }
  }
}

function isLocal ({ id }: GrantSettlement): boolean {
  return id.startsWith(LOCAL_GRANT)
}

function isShared (settlement: GrantSettlement): boolean {
  return !isLocal(settlement)
}
