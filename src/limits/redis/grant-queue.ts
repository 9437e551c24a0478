import { split } from '../../collections/split.js'
import { isAway } from '../../redis/failure.js'
import type { Grant, GrantRequest, GrantSettlement } from '../limiter.js'

/** A grant that waits for its answer. */
export interface PendingGrant {
  readonly request: GrantRequest
  readonly settled: readonly GrantSettlement[]
  /** The name of the grant. */
  readonly nonce: string
  readonly resolve: (grant: Grant) => void
  readonly reject: (error: unknown) => void
}

/**
 * Collects the grants that are asked for in one turn, and while a call is out; sends them at the turn's end. After a restart
 * thousands of clients send their first frame at once, each from an address of its own: fewer and fuller calls cost less.
 */
export interface GrantQueue {
  add (pending: PendingGrant): void
  /** Sends at once what waits. */
  flush (): void
}

/** Most grants of one call, 15 to 40 us of Redis each: it serves nobody else meanwhile. */
const GRANTS_PER_CALL = 50

/**
 * Makes an empty queue. `send` answers what it is given, or rejects when the call has failed: then each is told so. `perCall`: 1 on
 * a cluster, where each goes by itself and none waits for another.
 */
export function createGrantQueue (send: (asked: readonly PendingGrant[]) => Promise<void>, perCall: number): GrantQueue {
  let waiting: PendingGrant[] = []
  let flushing: NodeJS.Immediate | undefined
  let isOut = false

  function flushLater (): void {
    if (waiting.length > 0 && !isOut) flushing ??= setImmediate(flush)
  }

  function flush (): void {
    clearImmediate(flushing)
    flushing = undefined
    if (waiting.length === 0) return
    const asked = waiting
    waiting = []
    isOut = perCall > 1
    void Promise.all(split(asked, Math.min(perCall, GRANTS_PER_CALL)).map(sendOrFail)).then(() => {
      isOut = false
      flushLater()
    })
  }

  async function sendOrFail (asked: readonly PendingGrant[]): Promise<void> {
    try {
      await send(asked)
    } catch (error) {
      // A store that does not answer is not asked for those that wait: they would wait for one more time-out to hear the same.
      const failed = isAway(error) ? [...asked, ...waiting.splice(0)] : asked
      for (const { reject } of failed) reject(error)
    }
  }

  return {
    add (pending) {
      waiting.push(pending)
      flushLater()
    },
    flush
  }
}
