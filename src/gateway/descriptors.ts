import { isShort } from '../descriptors/budget.js'
import { createDescriptorWatch, type DescriptorWatch } from '../descriptors/watch.js'
import { writeEvent } from '../observe/log/log.js'
import type { Server } from '../transport/uws/server.js'
import type { Ground } from './ground.js'

/** At most one line in this time says that descriptors have run out. */
const SAMPLE_MS = 10_000

/** Says at the start that the limit is too low for what is configured. */
export function warnOfFewDescriptors ({ descriptors, log, options }: Ground): void {
  const { limit, needed, maxConnections } = descriptors
  if (limit === null || !isShort(descriptors) || options.development === true) return
  writeEvent(log, { event: 'descriptors.few', limit, needed, max_connections: maxConnections })
}

/** Shuts the door for as long as descriptors are short: what is open goes on, and so do the admin port, the log and Redis. */
export function composeDescriptorWatch ({ descriptors, log, metrics, registry }: Ground, server: Pick<Server, 'pause' | 'resume'>): DescriptorWatch {
  let toldAtMs = -Infinity
  let untold = 0
  return createDescriptorWatch({
    budget: descriptors,
    onFull () {
      server.pause()
      metrics.descriptorsShort()
      if (performance.now() - toldAtMs < SAMPLE_MS) {
        untold++
        return
      }
      toldAtMs = performance.now()
      writeEvent(log, { event: 'descriptors.short', limit: descriptors.limit ?? 0, connections: registry.size, ...(untold > 0 ? { suppressed: untold } : {}) })
      untold = 0
    },
    onFree (fullMs) {
      if (!server.resume()) return false
      if (untold === 0) writeEvent(log, { event: 'descriptors.enough', duration_ms: Math.round(fullMs) })
      return true
    }
  })
}
