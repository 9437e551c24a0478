import { atMostLongestTimer } from '../longest-timer.js'
import { BUCKETS, type Registry, type Sessions } from './registry.js'

/** Periodic work over all open connections with one timer for the process, not one per connection. */
export interface Rounds { stop (): void }

/**
 * Calls `visit` with each bucket of connections once per `periodMs`, evenly spread. A round takes its period by the clock,
 * not by the turns of the event loop: in a busy process leases would lapse while their sockets are open.
 */
export function startRounds (registry: Registry, periodMs: number, visit: (sessions: Sessions) => void): Rounds {
  const stepMs = periodMs / BUCKETS
  let bucket = 0
  let visitedUntilMs = performance.now()
  const timer = setInterval(() => {
    const missed = Math.floor((performance.now() - visitedUntilMs) / stepMs)
    visitedUntilMs += missed * stepMs
    // After a long pause each is visited once, not once for every round that was missed.
    for (let due = Math.min(BUCKETS, missed); due > 0; due--) {
      const sessions = registry.bucket(bucket)
      bucket = (bucket + 1) % BUCKETS
      if (sessions.size > 0) visit(sessions)
    }
  }, atMostLongestTimer(Math.max(1, stepMs)))
  timer.unref()
  return { stop: () => { clearInterval(timer) } }
}
