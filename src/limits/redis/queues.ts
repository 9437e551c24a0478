import { createJointAdmitCall, createSeparateAdmitCalls, type AdmitCallOptions } from './admit-calls.js'
import { isAway } from '../../redis/failure.js'
import type { InFlight } from './in-flight.js'
import type { LeaseCalls } from './lease-calls.js'
import type { Lease } from '../limiter.js'
import type { RecordCalls } from './record-calls.js'
import { split } from '../../collections/split.js'
import { createBatchQueue, type BatchQueue, type Batch } from './batch-queue.js'

export interface QueueOptions extends Pick<AdmitCallOptions, 'run' | 'keys' | 'settings' | 'history' | 'onFailure'> {
  readonly leases: LeaseCalls
  readonly records: RecordCalls | null
  /** The calls under way that may put leases or records back; those that keep records join them. */
  readonly puts: InFlight
  /** Joined by the releases that are sent once more. */
  readonly repeats: InFlight
}

/**
 * How many batches may be out to a single Redis at once; `Infinity`: each tick's goes out as the tick ends. Each call has its
 * price to this process, whatever it carries: under load fewer and fuller calls cost less, and what waits for the next one
 * waits no longer than Redis takes to answer.
 */
const MAX_BATCHES_IN_FLIGHT = 1
const MAX_ADMITS_PER_CALL = 200
/** Above that, releases go without admits: one call with both would hold up all other users of Redis. */
const MAX_RELEASES_WITH_ADMITS = 500
/**
 * How long a closed connection's release waits for an attempt of this process to take it along. So a connection that comes and
 * goes alone costs one call where the next one follows at once. Other processes see the slot taken for this much longer, which
 * is no more than what the way to Redis and back takes on a busy day.
 */
const RELEASE_WAIT_MS = 20

/** Makes the queue of a single Redis: each batch gives leases back and decides attempts in one call. */
export function createJointQueue (options: QueueOptions): BatchQueue {
  const { leases, records } = options
  const queue = createBatchQueue(async ({ released, asked }: Batch) => {
    const goAlong = asked.length > 0 && released.length <= MAX_RELEASES_WITH_ADMITS
    // Before the admits: on one connection Redis sees it first, and a user who reconnects finds the slot free.
    const sent = goAlong ? [] : [leases.release(released)]
    for (const [i, part] of split(asked, MAX_ADMITS_PER_CALL).entries()) sent.push(admit(goAlong && i === 0 ? released : [], part))
    repeatRelease(options, released)
    // A lost release lapses with its lease. What a lost call may have taken is undone in the next batch.
    // Of several failures the one that says most counts: that Redis is away.
    const failed = (await Promise.allSettled(sent)).flatMap((one) => one.status === 'rejected' ? [one.reason as unknown] : [])
    if (failed.length > 0) throw failed.find(isAway) ?? failed[0]
  }, { maxInFlight: MAX_BATCHES_IN_FLIGHT, releaseWaitMs: RELEASE_WAIT_MS, maxGathered: MAX_RELEASES_WITH_ADMITS })
  const admit = createJointAdmitCall({ ...options, recordsKey: records?.key ?? null, undo: queue.release })
  return queue
}

/** Makes the queue of a cluster: one call per key, where nothing goes along; each tick's batch goes out as the tick ends. */
export function createSeparateQueue (options: QueueOptions): BatchQueue {
  const { leases, records, puts, onFailure } = options
  const queue = createBatchQueue(async ({ admitted, released, asked }: Batch) => {
    // A lease that was admitted may be released already: so its record goes first.
    if (records !== null && admitted.length > 0) puts.track(records.keep(admitted)).catch(onFailure)
    leases.release(released).catch(onFailure)
    repeatRelease(options, released)
    admit(asked)
  }, { maxInFlight: Infinity, releaseWaitMs: 0, maxGathered: Infinity })
  const admit = createSeparateAdmitCalls({ ...options, undo: queue.release, keepRecord: queue.keep })
  return queue
}

/** A lease that is being put back at this moment may arrive after its release: so the release is sent once more. */
function repeatRelease ({ leases, puts, repeats, onFailure }: QueueOptions, released: readonly Lease[]): void {
  if (released.length === 0 || puts.size === 0) return
  repeats.track(puts.settled().then(async () => { await leases.release(released) })).catch(onFailure)
}
