import type { PendingAdmit } from './admit-calls.js'
import type { Lease } from '../limiter.js'

/** What goes out together: first the records, then the releases, then the admits. */
export interface Turn {
  /** Leases whose admission did not keep their record along with them. */
  readonly admitted: Lease[]
  readonly released: Lease[]
  readonly asked: PendingAdmit[]
}

/** Collects what comes in one tick, and while the turn before is out; sends it at the tick's end. */
export interface TickBatch {
  /** False: closed, and nobody will answer. */
  admit (attempt: PendingAdmit): boolean
  release (lease: Lease): void
  keep (lease: Lease): void
  /** Sends now what there is, whatever is out. */
  flush (): void
  /** Sends what there is; takes no more. */
  close (): void
}

/**
 * Makes an empty batch. `send` gets a turn that is not empty; what it returns settles once the turn is answered, and rejects
 * when the store has failed. While `maxInFlight` turns are out, what comes waits.
 */
export function createTickBatch (send: (turn: Turn) => Promise<void>, maxInFlight: number): TickBatch {
  let waiting = createTurn()
  let inFlight = 0
  let flushing: NodeJS.Immediate | undefined
  let closed = false

  const flush = (): void => {
    clearImmediate(flushing)
    flushing = undefined
    if (isEmpty(waiting)) return
    const turn = waiting
    waiting = createTurn()
    inFlight++
    send(turn).then(goOn, (error: unknown) => {
      // A store that does not answer is not asked for them: they would wait as long once more to hear the same.
      for (const { reject } of waiting.asked.splice(0)) reject(error)
      goOn()
    })
  }
  const goOn = (): void => {
    inFlight--
    if (!isEmpty(waiting)) flushLater()
  }
  // Not at once, in `goOn` either: those who were just answered, and what else this tick reads, may go along.
  const flushLater = (): void => {
    if (inFlight < maxInFlight) flushing ??= setImmediate(flush)
  }
  /** Whether it was taken. */
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

function createTurn (): Turn {
  return { admitted: [], released: [], asked: [] }
}

function isEmpty ({ admitted, released, asked }: Turn): boolean {
  return admitted.length + released.length + asked.length === 0
}
