import { readdir } from 'node:fs/promises'
import { collectDefaultMetrics, Gauge, Registry } from '#prom-client'

const OPEN_FDS = 'process_open_fds'

let registry: Registry | null = null

/**
 * Node's own metrics. There is one set in a process, for ever: prom-client observes garbage collection and event loop
 * delay from the first call on, and offers no way to stop.
 */
export function nodeMetrics (): Registry {
  registry ??= createNodeRegistry()
  return registry
}

function createNodeRegistry (): Registry {
  const created = new Registry()
  collectDefaultMetrics({ register: created })
  replaceOpenFds(created)
  return created
}

/** prom-client lists the descriptors synchronously, which with 20,000 sockets stops the event loop for 20 ms a scrape. */
function replaceOpenFds (created: Registry): void {
  if (created.getSingleMetric(OPEN_FDS) === undefined) return
  created.removeSingleMetric(OPEN_FDS)
  const openFds = new Gauge({
    name: OPEN_FDS,
    help: 'Number of open file descriptors.',
    registers: [created],
    async collect () {
      const descriptors = await readdir('/proc/self/fd').catch(() => null)
      // One of them is the listing's own.
      if (descriptors !== null) openFds.set(descriptors.length - 1)
    }
  })
}
