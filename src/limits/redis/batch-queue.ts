import type { PendingAdmit } from './admit-calls.js'
import { isAway } from '../../redis/failure.js'
import type { Lease } from '../limiter.js'

/** The calls of one or more ticks that go out together: first the records, then the releases, then the admits. */
export interface Batch {
  /** Leases whose admission did not keep their record along with them. */
  readonly admitted: Lease[]
  readonly released: Lease[]
  readonly asked: PendingAdmit[]
}

/** Collects the calls of one tick, and those made while the batch before is out; sends them at the tick's end. */
export interface BatchQueue {
  /** False: the queue is closed, and the attempt will not be answered. */
  admit (attempt: PendingAdmit): boolean
  /** Goes with the next attempt; if none comes, by itself after `releaseWaitMs`. */
  release (lease: Lease): void
  keep (lease: Lease): void
  /** Sends at once what waits, also while other batches are out. */
  flush (): void
  /** Sends what waits; takes no more. */
  close (): void
}

export interface BatchQueueOptions {
  /** While this many batches are out, further calls wait. */
  readonly maxInFlight: number
  /** How long releases wait for an attempt of this process to take them along, in ms; 0: until the tick's end. */
  readonly releaseWaitMs: number
  /** This many releases wait for no attempt. */
  readonly maxGathered: number
}

/**
 * Makes an empty queue. `send` gets a batch that is not empty; its promise settles once the batch is answered, and rejects
 * when the store has failed.
 */
export function createBatchQueue (
  send: (batch: Batch) => Promise<void>, { maxInFlight, releaseWaitMs, maxGathered }: BatchQueueOptions
): BatchQueue {
  let waiting = createBatch()
  let inFlight = 0
  let flushing: NodeJS.Immediate | undefined
  /** Set while releases wait for an attempt. */
  let gathering: NodeJS.Timeout | undefined
  /** What waits is to go out as soon as a batch may. */
  let isDue = false
  let closed = false

  const flush = (): void => {
    clearImmediate(flushing)
    clearTimeout(gathering)
    flushing = gathering = undefined
    isDue = false
    if (isEmpty(waiting)) return
    const batch = waiting
    waiting = createBatch()
    inFlight++
    send(batch).then(goOn, (error: unknown) => {
      // A store that does not answer is not asked for the attempts that wait: they would wait for one more time-out to hear the
      // same. What went wrong otherwise need not concern them.
      if (isAway(error)) for (const { reject } of waiting.asked.splice(0)) reject(error)
      goOn()
    })
  }
  const goOn = (): void => {
    inFlight--
    if (isDue) flushLater()
  }
  // Not at once, in `goOn` either: the callers that were just answered, and other sockets read in this tick, may add to the batch.
  const flushLater = (): void => {
    isDue = true
    if (inFlight < maxInFlight) flushing ??= setImmediate(flush)
  }
  /** Whether the item was taken. */
  const add = <T>(list: T[], item: T): boolean => {
    if (!closed) list.push(item)
    return !closed
  }
  const addNow = <T>(list: T[], item: T): boolean => {
    const isTaken = add(list, item)
    if (isTaken) flushLater()
    return isTaken
  }
  return {
    admit: (attempt) => addNow(waiting.asked, attempt),
    release (lease) {
      if (!add(waiting.released, lease) || isDue) return
      if (releaseWaitMs === 0 || waiting.released.length >= maxGathered) flushLater()
      else gathering ??= setTimeout(flushLater, releaseWaitMs)
    },
    keep: (lease) => { addNow(waiting.admitted, lease) },
    flush,
    close () {
      flush()
      closed = true
    }
  }
}

function createBatch (): Batch {
  return { admitted: [], released: [], asked: [] }
}

function isEmpty ({ admitted, released, asked }: Batch): boolean {
  return admitted.length + released.length + asked.length === 0
}
