import type { PendingAdmit } from './admit-calls.js'
import type { Lease } from './limiter.js'

/** Collects what one tick brings; sends it at the tick's end. */
export interface TickBatch {
  /** False: closed, and nobody will answer. */
  admit (attempt: PendingAdmit): boolean
  release (lease: Lease): void
  /** For a lease whose admission did not keep its record along with it. */
  keep (lease: Lease): void
  /** Sends now what there is. */
  flush (): void
  /** Sends what there is; takes no more. */
  close (): void
}

/** Who sends, in this order; called only when there is something to send. */
export interface TickBatchTargets {
  keep (leases: readonly Lease[]): void
  release (leases: readonly Lease[]): void
  admit (attempts: readonly PendingAdmit[]): void
}

/** Makes an empty batch. */
export function createTickBatch (targets: TickBatchTargets): TickBatch {
  let admitted: Lease[] = []
  let released: Lease[] = []
  let asked: PendingAdmit[] = []
  let flushing: NodeJS.Immediate | undefined
  let closed = false

  const flush = (): void => {
    clearImmediate(flushing)
    flushing = undefined
    const now = { admitted, released, asked }
    admitted = []
    released = []
    asked = []
    if (now.admitted.length > 0) targets.keep(now.admitted)
    if (now.released.length > 0) targets.release(now.released)
    if (now.asked.length > 0) targets.admit(now.asked)
  }
  /** Whether it was taken. */
  const add = <T>(list: T[], item: T): boolean => {
    if (closed) return false
    list.push(item)
    flushing ??= setImmediate(flush)
    return true
  }
  return {
    admit: (attempt) => add(asked, attempt),
    release: (lease) => { add(released, lease) },
    keep: (lease) => { add(admitted, lease) },
    flush,
    close () {
      flush()
      closed = true
    }
  }
}
