import { randomBytes } from 'node:crypto'
import { createAdmitCalls, type AdmitCalls } from './admit-calls.js'
import { createLimitKeys, type LimitKeys } from './keys.js'
import {
  GRANT_SETTLE_MS,
  type Admission, type Admit, type Grant, type GrantRequest, type GrantSettlement, type Lease, type Limiter, type LimitSettings
} from './limiter.js'
import type { ScriptClient } from '../redis/lua-script.js'
import { createScriptRunner, loadScript, type RunScript } from './scripts.js'
import { subWindowMs } from './sub-window.js'

export interface RedisLimiterOptions {
  /** Before every key; the operator's. */
  readonly prefix: string
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly callTimeoutMs?: number
}

interface PendingAdmit {
  readonly request: Admit
  readonly resolve: (admission: Admission) => void
  readonly reject: (error: unknown) => void
}

const CALL_TIMEOUT_MS = 1000
/** How many leases or settlements go in one call: Redis serves nobody else meanwhile. */
const MAX_ITEMS_PER_CALL = 500
const MAX_ADMITS_PER_CALL = 200

/**
 * The limits in Redis, shared by all processes. What one tick brings goes in one script call; on a cluster, where a call
 * may touch one slot only, in one call per key.
 */
export function createRedisLimiter (client: ScriptClient, settings: LimitSettings, options: RedisLimiterOptions): Limiter {
  const keys = createLimitKeys(options.prefix)
  const oneKeyPerCall = client.isCluster
  const inFlight = new Set<Promise<unknown>>()
  const run = trackCalls(createScriptRunner(client, options.callTimeoutMs ?? CALL_TIMEOUT_MS), inFlight)
  const admitCalls = createAdmitCalls({ run, keys, settings, oneKeyPerCall })
  const leases = createLeaseCalls(run, keys, settings.leaseMs, oneKeyPerCall ? 1 : MAX_ITEMS_PER_CALL)
  const grants = createGrantCalls(run, keys, settings, oneKeyPerCall ? 1 : MAX_ITEMS_PER_CALL)
  let admits: PendingAdmit[] = []
  let releases: Lease[] = []
  let flushing: NodeJS.Immediate | undefined
  let closed = false

  const flush = (): void => {
    flushing = undefined
    const released = releases
    const asked = admits
    releases = []
    admits = []
    // Released first: on one connection Redis sees them first, and a user who reconnects finds the slot free.
    leases.release(released)
    for (let i = 0; i < asked.length; i += MAX_ADMITS_PER_CALL) {
      decide(admitCalls, asked.slice(i, i + MAX_ADMITS_PER_CALL), release)
    }
  }
  const flushAtEndOfTick = (): void => { flushing ??= setImmediate(flush) }
  const release = (lease: Lease): void => {
    if (closed) return
    releases.push(lease)
    flushAtEndOfTick()
  }

  return {
    admit: async (request) => await new Promise((resolve, reject) => {
      if (closed) {
        reject(new Error('the limiter is closed'))
        return
      }
      if (request.address === null && request.lease === null) {
        resolve({ admitted: true })
        return
      }
      admits.push({ request, resolve, reject })
      flushAtEndOfTick()
    }),
    release,
    vacate: async (vacated) => { for (const lease of vacated) release(lease) },
    renew: leases.renew,
    takeGrant: grants.take,
    settle: grants.settle,
    close: async () => {
      closed = true
      clearImmediate(flushing)
      flush()
      await Promise.allSettled(inFlight)
    }
  }
}

function trackCalls (run: RunScript, inFlight: Set<Promise<unknown>>): RunScript {
  return async (script, keys, args) => {
    const call = run(script, keys, args)
    inFlight.add(call)
    try {
      return await call
    } finally {
      inFlight.delete(call)
    }
  }
}

function decide (calls: AdmitCalls, asked: readonly PendingAdmit[], undo: (lease: Lease) => void): void {
  calls(asked.map(({ request }) => request), undo).then((admissions) => {
    asked.forEach(({ resolve, reject }, i) => {
      const admission = admissions[i]
      if (admission === undefined || admission instanceof Error) reject(admission ?? new Error('no answer to this attempt'))
      else resolve(admission)
    })
  }, (error: unknown) => {
    for (const { reject } of asked) reject(error)
  })
}

function createLeaseCalls (run: RunScript, keys: LimitKeys, leaseMs: number, perCall: number) {
  const releaseScript = loadScript('release')
  const renewScript = loadScript('renew')
  const keysOf = (leases: readonly Lease[]): string[] => leases.map(({ userId }) => keys.user(userId))
  const idsOf = (leases: readonly Lease[]): string[] => leases.map(({ connectionId }) => connectionId)
  return {
    release (leases: readonly Lease[]): void {
      for (const part of split(leases, perCall)) {
        // A lost release lapses with its lease.
        run(releaseScript, keysOf(part), idsOf(part)).catch(() => {})
      }
    },
    async renew (leases: readonly Lease[]): Promise<void> {
      const renewPart = async (part: readonly Lease[]) => await run(renewScript, keysOf(part), [leaseMs, ...idsOf(part)])
      await Promise.all(split(leases, perCall).map(renewPart))
    }
  }
}

function createGrantCalls (run: RunScript, keys: LimitKeys, settings: LimitSettings, perCall: number) {
  const takeScript = loadScript('take-grant')
  const settleScript = loadScript('settle')
  const { messages, messageWindowMs } = settings
  const widthMs = subWindowMs(messages, messageWindowMs, GRANT_SETTLE_MS)
  const process = randomBytes(6).toString('base64url')
  let grantsMade = 0
  return {
    async take ({ address, demand, spare }: GrantRequest, settled: readonly GrantSettlement[]): Promise<Grant> {
      const nonce = `${process}${(grantsMade++).toString(36)}`
      const fixed = [messages, messageWindowMs, widthMs, GRANT_SETTLE_MS, demand, spare, nonce]
      const reply = await run(takeScript, [keys.messages(address)], [...fixed, ...settled.flatMap(settlementArguments)])
      const [granted, retryAfterMs, madeAt, unsettledMs] = reply as [number, number, number, number]
      return { id: `${nonce}:${madeAt}:${Math.min(demand, granted)}`, granted, retryAfterMs, unsettledMs }
    },
    settle (settled: readonly GrantSettlement[]): void {
      for (const part of split(settled, perCall)) {
        const keyList = part.map(({ address }) => keys.messages(address))
        // A lost settlement counts as all spent, until it leaves the window.
        run(settleScript, keyList, [widthMs, GRANT_SETTLE_MS, ...part.flatMap(settlementArguments)]).catch(() => {})
      }
    }
  }
}

/** A grant's id carries what its settlement must know: nonce, time made, how many had waited for it. */
function settlementArguments ({ id, granted, spent, lastSpentMs }: GrantSettlement): Array<string | number> {
  return [...id.split(':'), granted, spent, Math.ceil(lastSpentMs)]
}

function split<T> (items: readonly T[], size: number): T[][] {
  const parts: T[][] = []
  for (let i = 0; i < items.length; i += size) parts.push(items.slice(i, i + size))
  return parts
}
