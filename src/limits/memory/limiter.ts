import { USER_RETRY_AFTER_MS, type Admission, type Admit, type Lease, type Limiter, type LimitSettings, type Resume } from '../limiter.js'
import type { AddressReading, LimitReader } from '../reading.js'
import { createMemoryLeases } from './leases.js'
import { createMessageWindow, type MessagesLeft } from './messages.js'
import { createSlidingWindow, createWindowLog, type WindowLog } from './window.js'
import { createTwoGenerationMap } from '../../collections/two-generation-map.js'

export interface MemoryLimiter extends Limiter, LimitReader {
  /** The leases held now. Those released or lapsed while the caller goes through them are left out. */
  liveLeases (): Generator<Lease>
  /** Takes note of a lease that another limiter gave. */
  hold (lease: Lease): void
  /** Counts an attempt that another limiter let through, as far as the window has room: then it is full. */
  noteAttempt (request: Pick<Admit, 'address' | 'resume'>): void
  /** ms until the address's window has room for this attempt; 0: it has now, or needs none. */
  attemptWaitMs (request: Pick<Admit, 'address' | 'resume'>): number
  /** Counts messages that another limiter granted, as far as the window has room. `count`: 0 or more. */
  noteMessages (address: string, count: number): void
  /** How many messages the address's window has room for; when none, `retryAfterMs` until it has. */
  messagesLeft (address: string): MessagesLeft
  /** How much is remembered: addresses, users and spent passes. */
  readonly size: number
}

export interface MemoryLimiterOptions {
  /** Monotonic, in ms. */
  readonly now: () => number
  /** Addresses remembered at once in each window; beyond that the oldest are forgotten. */
  readonly maxAddresses?: number
  /** Spent passes remembered at once; beyond that the oldest are forgotten. */
  readonly maxPasses?: number
}

const MAX_ADDRESSES = 200_000
const MAX_PASSES = 200_000
/** Passes expire within 120 s; spent ones are remembered at least that long. */
const PASS_LIFE_MS = 120_000

/** The limits of one process, in its memory: without Redis, or while Redis is away. No timers. */
export function createMemoryLimiter (settings: LimitSettings, options: MemoryLimiterOptions): MemoryLimiter {
  const now = (): number => Math.floor(options.now())
  const maxAddresses = options.maxAddresses ?? MAX_ADDRESSES
  const attempts = createAddressWindow(settings, maxAddresses)
  const messages = createMessageWindow(settings, maxAddresses)
  const leases = createMemoryLeases(settings.userConnections, settings.leaseMs)
  const passes = createSpentPasses(options.maxPasses ?? MAX_PASSES)

  const decide = ({ address, resume = null, lease }: Admit, at: number): Admission => {
    const isSpared = address === null || (resume !== null && passes.spend(address, resume, at))
    const waitMs = isSpared ? 0 : attempts.enter(address, at)
    if (waitMs > 0) return { admitted: false, limit: 'address', retryAfterMs: waitMs }
    if (lease === null || leases.take(lease, at)) return { admitted: true }
    return { admitted: false, limit: 'user', retryAfterMs: USER_RETRY_AFTER_MS }
  }

  return {
    admit: async (request) => decide(request, now()),
    release: (lease) => { leases.release(lease) },
    vacate: async (vacated) => { for (const lease of vacated) leases.release(lease) },
    renew: async (renewed) => {
      const at = now()
      for (const lease of renewed) leases.renew(lease, at)
    },
    takeGrant: async (request, settled) => {
      const at = now()
      messages.settle(settled, at)
      return messages.take(request, at)
    },
    settle: (settled) => { messages.settle(settled, now()) },
    close: async () => {},
    async read ({ address, owner }) {
      const at = now()
      return {
        address: address === null ? null : attempts.read(address, at),
        slots: owner === null ? null : { used: leases.count(owner, at), limit: settings.userConnections }
      }
    },
    liveLeases: () => leases.live(now()),
    hold: (lease) => { leases.renew(lease, now()) },
    noteAttempt ({ address, resume = null }) {
      const at = now()
      if (address === null || (resume !== null && passes.spend(address, resume, at))) return
      attempts.enter(address, at)
    },
    attemptWaitMs ({ address, resume = null }) {
      const at = now()
      if (address === null || (resume !== null && !passes.isSpent(address, resume, at))) return 0
      return attempts.waitMs(address, at)
    },
    noteMessages: (address, count) => { messages.note(address, count, now()) },
    messagesLeft: address => messages.left(address, now()),
    get size () { return attempts.size() + messages.size() + leases.users + passes.size() }
  }
}

function createAddressWindow ({ addressConnections, addressWindowMs }: LimitSettings, maxAddresses: number) {
  const window = createSlidingWindow(addressConnections, addressWindowMs, 0)
  /** Of an address that was here once, as most are, the moment alone: a log is three objects, and they are kept for minutes. */
  const logs = createTwoGenerationMap<WindowLog | number>(maxAddresses, 2 * addressWindowMs)
  const toLog = (known: WindowLog | number | undefined): WindowLog => {
    if (typeof known === 'object') return known
    const log = createWindowLog()
    if (known !== undefined) window.add(log, known, 1)
    return log
  }
  return {
    /** Counts an attempt and returns 0, or returns the wait in ms. A refused attempt does not count. */
    enter (address: string, now: number): number {
      const known = logs.get(address)
      if (known === undefined) {
        logs.set(address, now, now)
        return 0
      }
      const log = toLog(known)
      if (window.update(log, now) >= addressConnections) return window.waitMs(log, now)
      window.add(log, now, 1)
      logs.set(address, log, now)
      return 0
    },
    /** The same, and counts nothing. */
    waitMs (address: string, now: number): number {
      const known = logs.get(address)
      if (known === undefined) return 0
      const log = toLog(known)
      return window.update(log, now) < addressConnections ? 0 : window.waitMs(log, now)
    },
    /** How it stands, found on a copy: nothing is counted, and nothing forgotten. */
    read (address: string, now: number): AddressReading {
      const { times, counts, sum } = toLog(logs.get(address))
      const log = { times: [...times], counts: [...counts], sum }
      const used = window.update(log, now)
      const [oldest] = log.times
      return {
        used,
        limit: addressConnections,
        resetMs: oldest === undefined ? 0 : oldest + addressWindowMs - now,
        waitMs: used < addressConnections ? 0 : window.waitMs(log, now)
      }
    },
    size: () => logs.size
  }
}

function createSpentPasses (maxPasses: number) {
  const spentUntil = createTwoGenerationMap<number>(maxPasses, PASS_LIFE_MS)
  return {
    /** Spends this pass of this address. False: it has been spent before. */
    spend (address: string, { nonce, ttlMs }: Resume, now: number): boolean {
      const pass = `${address} ${nonce}`
      if ((spentUntil.get(pass) ?? 0) > now) return false
      spentUntil.set(pass, now + ttlMs, now)
      return true
    },
    isSpent: (address: string, { nonce }: Resume, now: number): boolean => (spentUntil.get(`${address} ${nonce}`) ?? 0) > now,
    size: () => spentUntil.size
  }
}
