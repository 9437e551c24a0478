import { createJointAdmitCalls, createSeparateAdmitCalls } from './admit-calls.js'
import { createGrantCalls } from './grant-calls.js'
import { createLimitKeys, nodeKey } from './keys.js'
import { createLeaseCalls } from './lease-calls.js'
import type { Lease, Limiter, LimitSettings } from './limiter.js'
import { createInFlight } from './in-flight.js'
import { createRecordCalls, type RecordCalls } from './record-calls.js'
import type { ScriptClient } from '../redis/lua-script.js'
import { createScriptRunner, type RunScript } from './scripts.js'
import { split } from './split.js'
import { createTickBatch } from './tick-batch.js'

export interface RedisLimiterOptions {
  /** Before every key of a limit; the operator's. */
  readonly prefix: string
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly callTimeoutMs?: number
  /** Where the leases' records are kept; absent or null: nowhere. */
  readonly records?: RecordOptions | null
}

export interface RecordOptions {
  /** Before the key of the node's records. */
  readonly prefix: string
  /** The name of this process. */
  readonly node: string
  /**
   * Whether a renewal that finds records missing may put them back. False while this process may have been taken for dead,
   * and the records not lost but claimed.
   */
  readonly mayRestore: () => boolean
}

const CALL_TIMEOUT_MS = 1000
/** How many leases, records or settlements go in one call: Redis serves nobody else meanwhile. */
const MAX_ITEMS_PER_CALL = 500
const MAX_ADMITS_PER_CALL = 200

/**
 * The limits in Redis, shared by all processes. What one tick brings goes in one script call; on a cluster, where a call
 * may touch one slot only, in one call per key.
 */
export function createRedisLimiter (client: ScriptClient, settings: LimitSettings, options: RedisLimiterOptions): Limiter {
  const keys = createLimitKeys(options.prefix)
  const oneKeyPerCall = client.isCluster
  const [calls, puts, repeats] = [createInFlight(), createInFlight(), createInFlight()]
  const send = createScriptRunner(client, options.callTimeoutMs ?? CALL_TIMEOUT_MS)
  const run: RunScript = async (script, keyList, args) => await calls.track(send(script, keyList, args))
  const records = openRecords(run, options.records ?? null)
  const leases = createLeaseCalls({ run, keys, leaseMs: settings.leaseMs, oneKeyPerCall, perCall: MAX_ITEMS_PER_CALL, records })
  const grants = createGrantCalls(run, keys, settings, oneKeyPerCall ? 1 : MAX_ITEMS_PER_CALL)

  const removeAll = (released: readonly Lease[]): void => {
    // A lost release lapses with its lease.
    leases.release(released).catch(() => {})
    // What is being put back at this moment may come after its release: then that comes once more.
    if (puts.size > 0) repeats.track(puts.settled().then(async () => { await leases.release(released) })).catch(() => {})
  }
  const batch = createTickBatch({
    // What was admitted may be released already: so its record first.
    keep: (admitted) => { if (records !== null) puts.track(records.keep(admitted)).catch(() => {}) },
    // Before the admits: on one connection Redis sees it first, and a user who reconnects finds the slot free.
    release: removeAll,
    admit: (asked) => { for (const part of split(asked, MAX_ADMITS_PER_CALL)) decide(part) }
  })
  const admitOptions = { run, keys, settings, undo: batch.release }
  const decide = oneKeyPerCall
    ? createSeparateAdmitCalls({ ...admitOptions, keepRecord: batch.keep })
    : createJointAdmitCalls({ ...admitOptions, recordsKey: records?.key ?? null })

  return {
    admit: (request) => new Promise((resolve, reject) => {
      if (request.address === null && request.lease === null) resolve({ admitted: true })
      else if (!batch.admit({ request, resolve, reject })) reject(new Error('the limiter is closed'))
    }),
    release: batch.release,
    async vacate (vacated) {
      batch.flush()
      // What is under way may take or renew these very leases: they are removed after it.
      await calls.settled()
      await leases.vacate(vacated).catch(() => {})
    },
    renew: async (renewed) => { await puts.track(leases.renew(renewed)) },
    takeGrant: grants.take,
    settle: grants.settle,
    async close () {
      batch.close()
      while (calls.size + repeats.size > 0) await Promise.all([calls.settled(), repeats.settled()])
    }
  }
}

function openRecords (run: RunScript, options: RecordOptions | null): RecordCalls | null {
  if (options === null) return null
  return createRecordCalls(run, nodeKey(options.prefix, options.node), MAX_ITEMS_PER_CALL, options.mayRestore)
}
