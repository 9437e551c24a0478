import { isShort } from '../descriptors/budget.js'
import { createDescriptorWatch, type DescriptorWatch } from '../descriptors/watch.js'
import { writeEvent } from '../observe/log/log.js'
import type { Server } from '../transport/uws/server.js'
import type { Ground } from './ground.js'
import { createShortageLines } from './shortage-lines.js'

/** Says at the start that the limit is too low for what is configured. */
export function warnOfFewDescriptors ({ descriptors, log, options }: Ground): void {
  const { limit, needed, maxConnections } = descriptors
  if (limit === null || !isShort(descriptors) || options.development === true) return
  writeEvent(log, { event: 'descriptors.few', limit, needed, max_connections: maxConnections })
}

/** Shuts the door for as long as descriptors are short: what is open goes on, and so do the admin port, the log and Redis. */
export function composeDescriptorWatch ({ descriptors, log, metrics, registry }: Ground, server: Pick<Server, 'pause' | 'resume'>): DescriptorWatch {
  const lines = createShortageLines({
    onBegin () { writeEvent(log, { event: 'descriptors.short', limit: descriptors.limit ?? 0, connections: registry.size }) },
    onEnd (durationMs, count) { writeEvent(log, { event: 'descriptors.enough', duration_ms: Math.round(durationMs), count }) }
  })
  const watch = createDescriptorWatch({
    budget: descriptors,
    onFull () {
      server.pause()
      metrics.descriptorsShort()
      lines.begin()
    },
    onFree () {
      if (!server.resume()) return false
      lines.end()
      return true
    }
  })
  return {
    ...watch,
    stop () {
      watch.stop()
      lines.close()
    }
  }
}
