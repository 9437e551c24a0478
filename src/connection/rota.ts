import type { Session } from './session.js'
import { BUCKETS, type Registry } from './registry.js'

/** Periodic work over all open connections with one timer for the process, not one per connection. */
export interface Rota { stop (): void }

/** Calls `visit` with each bucket of connections once per `periodMs`, evenly spread. */
export function startRota (registry: Registry, periodMs: number, visit: (sessions: ReadonlySet<Session>) => void): Rota {
  let bucket = 0
  const timer = setInterval(() => {
    const sessions = registry.bucket(bucket)
    bucket = (bucket + 1) % BUCKETS
    if (sessions.size > 0) visit(sessions)
  }, Math.max(1, periodMs / BUCKETS))
  timer.unref()
  return { stop: () => { clearInterval(timer) } }
}
