import { AggregatorRegistry, type Registry } from 'prom-client'
import type { ListedConnection, Operations } from '../compose/operations.js'
import type { MetricsJson } from '../metrics/metrics.js'
import type { Readiness, UnreadyReason } from '../server/admin-readiness.js'
import type { WorkerProcess } from './worker-process.js'

const NOT_READY: Readiness = { ready: false, reasons: ['starting'], issuersWithoutKeys: [] }

async function askAll<T> (workers: readonly WorkerProcess[], method: string, ...args: readonly unknown[]): Promise<T[]> {
  const answers = await Promise.allSettled(workers.map(async worker => await worker.link.call(method, ...args) as T))
  return answers.flatMap(answer => answer.status === 'fulfilled' ? [answer.value] : [])
}

/** Ready while at least one worker is: the others' share of connections goes to it. */
function joinReadiness (all: readonly Readiness[]): Readiness {
  if (all.length === 0) return NOT_READY
  const ready = all.find(one => one.ready)
  if (ready !== undefined) return ready
  return {
    ready: false,
    reasons: [...new Set(all.flatMap<UnreadyReason>(one => [...one.reasons]))],
    issuersWithoutKeys: [...new Set(all.flatMap(one => [...one.issuersWithoutKeys]))]
  }
}

/**
 * The admin port's work in front of several workers: numbers from all of them, everything else through any one, which
 * reaches the others by Redis.
 */
export function createFleetOperations (running: () => readonly WorkerProcess[], isDraining: () => boolean): Operations {
  const askOne = async (method: string, ...args: readonly unknown[]): Promise<unknown> => {
    const worker = running()[0]
    if (worker === undefined) throw new Error('no worker is running')
    return await worker.link.call(method, ...args)
  }
  const order = (name: keyof Operations['orders']) => async (...args: readonly unknown[]): Promise<void> => { await askOne('order', name, ...args) }
  return {
    async readiness () {
      if (isDraining()) return { ready: false, reasons: ['draining'], issuersWithoutKeys: [] }
      return joinReadiness(await askAll<Readiness>(running(), 'readiness'))
    },
    async renderMetrics () {
      // Each worker labels its own samples, so nothing is summed that should not be.
      const parts = await askAll<MetricsJson>(running(), 'metrics')
      const joined: Registry = AggregatorRegistry.aggregate(parts as unknown as object[])
      return { contentType: joined.contentType, body: await joined.metrics() }
    },
    async listConnections (userId) { return await askOne('listConnections', userId) as readonly ListedConnection[] },
    orders: { revoke: order('revoke'), unrevoke: order('unrevoke'), ban: order('ban'), unban: order('unban'), disconnect: order('disconnect'), recheck: order('recheck') },
    async publish (topic, event) { await askOne('publish', topic, event) }
  }
}
