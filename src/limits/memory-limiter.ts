import {
  GRANT_LAPSE_MS, USER_RETRY_AFTER_MS,
  type Admission, type Admit, type Grant, type GrantRequest, type GrantSettlement, type Lease, type Limiter, type LimitSettings
} from './limiter.js'
import { createMemoryLeases } from './memory-leases.js'
import { createSlidingWindow, createWindowLog, type WindowLog } from './memory-window.js'
import { createTwoGenerationMap } from './two-generation-map.js'

export interface MemoryLimiter extends Limiter {
  /** The leases held now; what is released or lapses while the caller goes through them is left out. */
  liveLeases (): Generator<Lease>
  /** How much is remembered: addresses and users. */
  readonly size: number
}

export interface MemoryLimiterOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Addresses remembered at once in each window; beyond that those heard of longest ago are forgotten. */
  readonly maxAddresses?: number
}

const MAX_ADDRESSES = 200_000
/** The last few messages of a window go one by one, as in Redis. */
const FEW = 4

/** The limits of one process, in its memory: without Redis, or while Redis is away. No timers. */
export function createMemoryLimiter (settings: LimitSettings, options: MemoryLimiterOptions): MemoryLimiter {
  const now = (): number => Math.floor(options.now())
  const maxAddresses = options.maxAddresses ?? MAX_ADDRESSES
  const enter = createAddressWindow(settings, maxAddresses)
  const messages = createMessageWindow(settings, maxAddresses)
  const leases = createMemoryLeases(settings.userConnections, settings.leaseMs)

  const decide = ({ address, lease }: Admit, at: number): Admission => {
    const waitMs = address === null ? 0 : enter(address, at)
    if (waitMs > 0) return { admitted: false, limit: 'address', retryAfterMs: waitMs }
    if (lease === null || leases.take(lease, at)) return { admitted: true }
    return { admitted: false, limit: 'user', retryAfterMs: USER_RETRY_AFTER_MS }
  }

  return {
    admit: async (request) => decide(request, now()),
    release: (lease) => { leases.release(lease) },
    renew: async (renewed) => {
      const at = now()
      for (const lease of renewed) leases.renew(lease, at)
    },
    takeGrant: async (request, settled) => {
      messages.settle(settled)
      return messages.take(request, now())
    },
    settle: messages.settle,
    close: async () => {},
    liveLeases: () => leases.live(now()),
    get size () { return enter.size() + messages.size() + leases.users }
  }
}

function createAddressWindow ({ addressConnections, addressWindowMs }: LimitSettings, maxAddresses: number) {
  const window = createSlidingWindow(addressConnections, addressWindowMs, 0)
  const logs = createTwoGenerationMap<WindowLog>(maxAddresses, 2 * addressWindowMs)
  /** Counts an attempt and returns 0, or returns the wait in ms. A refused attempt does not count. */
  const enter = (address: string, now: number): number => {
    const log = logs.get(address) ?? createWindowLog()
    if (window.update(log, now) >= addressConnections) return window.waitMs(log, now)
    window.add(log, now, 1)
    logs.set(address, log, now)
    return 0
  }
  return Object.assign(enter, { size: () => logs.size })
}

function createMessageWindow ({ messages, messageWindowMs }: LimitSettings, maxAddresses: number) {
  const window = createSlidingWindow(messages, messageWindowMs, GRANT_LAPSE_MS)
  const logs = createTwoGenerationMap<WindowLog>(maxAddresses, 2 * messageWindowMs + GRANT_LAPSE_MS)

  const take = ({ address, demand, spare }: GrantRequest, now: number): Grant => {
    const log = logs.get(address) ?? createWindowLog()
    const left = Math.max(0, messages - window.update(log, now))
    const waited = Math.min(demand, left)
    const rest = left - waited
    const extra = rest >= FEW ? Math.min(spare, Math.floor(rest / 2)) : 0
    window.add(log, now, waited)
    window.add(log, now + GRANT_LAPSE_MS, extra)
    logs.set(address, log, now)
    return {
      id: `${now}:${waited}`,
      granted: waited + extra,
      retryAfterMs: waited === demand ? 0 : window.waitMs(log, now)
    }
  }
  const settleOne = ({ address, id, granted, spent, lastSpentMs }: GrantSettlement): void => {
    const log = logs.get(address)
    if (log === undefined) return
    const [madeAt = 0, waited = 0] = id.split(':').map(Number)
    const end = madeAt + GRANT_LAPSE_MS
    const extra = Math.min(granted - waited, window.countAt(log, end))
    window.add(log, end, -extra)
    const lastSpentAt = madeAt + Math.min(GRANT_LAPSE_MS, Math.max(0, Math.ceil(lastSpentMs)))
    window.add(log, lastSpentAt, Math.min(extra, Math.max(0, spent - waited)))
  }
  return {
    take,
    settle: (settled: readonly GrantSettlement[]) => { for (const one of settled) settleOne(one) },
    size: () => logs.size
  }
}
