import type { TopicReading } from './admit-calls.js'
import { createGrantCalls } from './grant-calls.js'
import { createLimitKeys, createNodeKeys } from '../../redis/keys.js'
import { createLeaseCalls } from './lease-calls.js'
import { createRenewCalls } from './renew-calls.js'
import type { Limiter, LimitSettings } from '../limiter.js'
import { createInFlight } from './in-flight.js'
import { createRecordCalls, type RecordCalls, type RecordTrust } from './record-calls.js'
import { createScriptRunner, type RunScript, type ScriptClient } from '../../redis/lua-script.js'
import { createJointQueue, createSeparateQueue } from './queues.js'

export interface RedisLimiterOptions {
  /** Before every key of a limit; the operator's. */
  readonly prefix: string
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly callTimeoutMs?: number
  /** Where the leases' records are kept; absent or null: they are not. */
  readonly records?: RecordOptions | null
  /** How users' own topics are read beside the limits; absent or null: they are not. */
  readonly history?: TopicReading | null
  /** Called with what went wrong where no caller is told: releases, settlements, records. What says that Redis is away may be among it. */
  readonly onFailure?: (error: unknown) => void
}

export interface RecordOptions extends RecordTrust {
  /** Before the key of the node's records. */
  readonly prefix: string
  /** The name of this process. */
  readonly node: string
}

const CALL_TIMEOUT_MS = 1000
/** How many leases, records or settlements go in one call: Redis serves no other client while a script runs. */
const MAX_ITEMS_PER_CALL = 500

/**
 * The limits in Redis, shared by all processes. Attempts and releases of one tick, and those made while the call before is out,
 * go in one script call; on a cluster, where a call may touch one slot only, those of one tick go in one call per key.
 */
export function createRedisLimiter (client: ScriptClient, settings: LimitSettings, options: RedisLimiterOptions): Limiter {
  const keys = createLimitKeys(options.prefix)
  const oneKeyPerCall = client.isCluster
  const [calls, puts, repeats] = [createInFlight(), createInFlight(), createInFlight()]
  const send = createScriptRunner(client, options.callTimeoutMs ?? CALL_TIMEOUT_MS)
  const run: RunScript = async (script, keyList, args) => await calls.track(send(script, keyList, args))
  const records = openRecords(run, settings.leaseMs, options.records ?? null)
  const onFailure = options.onFailure ?? (() => {})
  const leaseOptions = { run, keys, leaseMs: settings.leaseMs, oneKeyPerCall, perCall: MAX_ITEMS_PER_CALL, records, onFailure }
  const leases = createLeaseCalls(leaseOptions)
  const renew = createRenewCalls(leaseOptions)
  const grants = createGrantCalls({ run, keys, settings, perCall: oneKeyPerCall ? 1 : MAX_ITEMS_PER_CALL, onFailure })

  const queueOptions = { run, keys, settings, leases, records, history: options.history ?? null, puts, repeats, onFailure }
  const queue = oneKeyPerCall ? createSeparateQueue(queueOptions) : createJointQueue(queueOptions)

  return {
    admit: (request) => new Promise((resolve, reject) => {
      if (request.address === null && request.lease === null) resolve({ admitted: true })
      else if (!queue.admit({ request, resolve, reject })) reject(new Error('the limiter is closed'))
    }),
    release: queue.release,
    async vacate (vacated) {
      queue.flush()
      // The calls under way may take or renew these very leases: so they are removed after those.
      await calls.settled()
      await leases.vacate(vacated).catch(onFailure)
    },
    renew: async (renewed) => { await puts.track(renew(renewed)) },
    takeGrant: grants.take,
    settle: grants.settle,
    async close () {
      queue.close()
      grants.flush()
      while (calls.size + repeats.size > 0) await Promise.all([calls.settled(), repeats.settled()])
    }
  }
}

function openRecords (run: RunScript, leaseMs: number, options: RecordOptions | null): RecordCalls | null {
  if (options === null) return null
  const key = createNodeKeys(options.prefix).records(options.node)
  return createRecordCalls({ ...options, run, leaseMs, key, perCall: MAX_ITEMS_PER_CALL })
}
