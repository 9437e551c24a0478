import { atMostLongestTimer } from '../longest-timer.js'
import { BUCKETS, type Registry, type Sessions } from './registry.js'

/** Periodic work over all open connections with one timer for the process, not one per connection. */
export interface Rounds { stop (): void }

/**
 * Calls `visit` with each bucket of connections once per `periodMs`, evenly spread. Buckets whose turn has come wait for the next ones
 * while all of them together have at most `atOnce` connections; none waits beyond the end of its round. A round takes its period by
 * the clock, not by the turns of the event loop: in a busy process leases would lapse while their sockets are open.
 */
export function startRounds (registry: Registry, periodMs: number, visit: (sessions: Sessions) => void, atOnce = 0): Rounds {
  const stepMs = periodMs / BUCKETS
  let bucket = 0
  let waiting: Sessions[] = []
  let visitedUntilMs = performance.now()
  const visitWaiting = (): void => {
    const sessions = join(waiting)
    waiting = []
    if (sessions.size > 0) visit(sessions)
  }
  const timer = setInterval(() => {
    const missed = Math.floor((performance.now() - visitedUntilMs) / stepMs)
    visitedUntilMs += missed * stepMs
    // After a long pause each is visited once, not once for every round that was missed.
    for (let due = Math.min(BUCKETS, missed); due > 0; due--) {
      waiting.push(registry.bucket(bucket))
      bucket = (bucket + 1) % BUCKETS
      if (bucket === 0 || sizeOf(waiting) + registry.bucket(bucket).size > atOnce) visitWaiting()
    }
  }, atMostLongestTimer(Math.max(1, stepMs)))
  timer.unref()
  return { stop: () => { clearInterval(timer) } }
}

function sizeOf (buckets: readonly Sessions[]): number {
  return buckets.reduce((sum, { size }) => sum + size, 0)
}

function join (buckets: readonly Sessions[]): Sessions {
  return {
    get size () { return sizeOf(buckets) },
    * [Symbol.iterator] () { for (const sessions of buckets) yield * sessions }
  }
}
