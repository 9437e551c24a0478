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
  release (lease: Lease): void
  keep (lease: Lease): void
  /** Sends at once what waits, also while other batches are out. */
  flush (): void
  /** Sends what waits; takes no more. */
  close (): void
}

/**
 * Makes an empty queue. `send` gets a batch that is not empty; its promise settles once the batch is answered, and rejects
 * when the store has failed. While `maxInFlight` batches are out, further calls wait.
 */
export function createBatchQueue (send: (batch: Batch) => Promise<void>, maxInFlight: number): BatchQueue {
  let waiting = createBatch()
  let inFlight = 0
  let flushing: NodeJS.Immediate | undefined
  let closed = false

  const flush = (): void => {
    clearImmediate(flushing)
    flushing = undefined
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
    if (!isEmpty(waiting)) flushLater()
  }
  // Not at once, in `goOn` either: the callers that were just answered, and other sockets read in this tick, may add to the batch.
  const flushLater = (): void => {
    if (inFlight < maxInFlight) flushing ??= setImmediate(flush)
  }
  /** Whether the item was taken. */
  const add = <T>(list: T[], item: T): boolean => {
    if (closed) return false
    list.push(item)
    flushLater()
    return true
  }
  return {
    admit: (attempt) => add(waiting.asked, attempt),
    release: (lease) => { add(waiting.released, lease) },
    keep: (lease) => { add(waiting.admitted, lease) },
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
