import { AggregatorRegistry, type Registry } from '#prom-client'
import type { ListedBan, ListedRevocation, Page } from '../control/control.js'
import type { ExplainAnswer } from '../explain/explanation.js'
import type { ConnectionPage, Operations } from '../gateway/operations.js'
import type { MetricsJson } from '../observe/metrics/metrics.js'
import type { Readiness, UnreadyReason } from '../gateway/readiness.js'
import { shareWork } from '../http/share-work.js'
import { OperationFault } from '../operation-fault.js'
import { packPublications, unpackOutcomes } from './publish-call.js'
import type { WorkerProcess } from './worker-process.js'

const NOT_READY: Readiness = { ready: false, reasons: ['starting'], issuersWithoutKeys: [] }

/** A probe and a scrape have deadlines of their own, and must not wait for a worker that hangs. */
const PROBE_TIMEOUT_MS = 1000
/** Anybody may probe, and each probe asks every worker: those that come together are asked once. */
const READINESS_FRESH_MS = 100
/** An issuer, Redis and a database may each take their time to an explanation. */
const EXPLAIN_TIMEOUT_MS = 15_000
/** A call fails on every worker when Redis is away: the second failure is the answer. */
const MAX_TRIES = 2

type Workers = readonly WorkerProcess[]

/** The workers as their admin port sees them. */
export interface WorkersInFront {
  /** Those that take connections. */
  running (): Workers
  /** Numbers of those that do not. */
  missing (): readonly number[]
  /** Each has taken connections once. */
  readonly hasStood: boolean
}

/** The answers of those that gave one in time. */
async function answersOf<T> (calls: ReadonlyArray<Promise<T>>): Promise<T[]> {
  const answers = await Promise.allSettled(calls)
  return answers.flatMap(answer => answer.status === 'fulfilled' ? [answer.value] : [])
}

/** Asks all, within the time of a probe. */
function probe<T> (workers: Workers, method: string): Array<Promise<T>> {
  return workers.map(async worker => await worker.link.call(method, [], PROBE_TIMEOUT_MS) as T)
}

/** The worker that answers a ping first: not one that hangs, however recently it began to. Rejects when none answers. */
async function findLive (workers: Workers): Promise<WorkerProcess> {
  return await Promise.any(workers.map(async (worker) => {
    await worker.link.call('ping', [], PROBE_TIMEOUT_MS)
    return worker
  }))
}

/** Has one worker do what may be done twice: when it fails or falls silent, another one is asked. */
async function askRepeatable (workers: Workers, method: string, args: readonly unknown[], tries = MAX_TRIES): Promise<unknown> {
  const worker = await findLive(workers)
  try {
    return await worker.link.call(method, args)
  } catch (error) {
    const others = workers.filter(other => other !== worker)
    if (tries === 1 || others.length === 0) throw error
    return await askRepeatable(others, method, args, tries - 1)
  }
}

/** Resolves with the first that is ready, without waiting for the rest. Rejects when none is. */
async function firstReady (calls: ReadonlyArray<Promise<Readiness>>): Promise<Readiness> {
  return await Promise.any(calls.map(async (call) => {
    const readiness = await call
    if (!readiness.ready) throw new Error('this worker is not ready')
    return readiness
  }))
}

/** Why none of them is ready. */
function joinReasons (all: readonly Readiness[]): Readiness {
  if (all.length === 0) return NOT_READY
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
export function createFleetOperations (fleet: WorkersInFront, isDraining: () => boolean): Operations {
  const running = (): Workers => fleet.running()
  // An order is kept by its name and value, so that a second one changes nothing.
  const order = (name: keyof Operations['orders']) => async (...args: readonly unknown[]): Promise<void> => {
    await askRepeatable(running(), 'order', [name, ...args])
  }
  const askReadiness = shareWork(READINESS_FRESH_MS, async () => {
    // Ready while at least one worker is: the others' share of connections goes to it.
    const calls = probe<Readiness>(running(), 'readiness')
    return await firstReady(calls).catch(async () => joinReasons(await answersOf(calls)))
  })
  return {
    async readiness () {
      if (isDraining()) return { ready: false, reasons: ['draining'], issuersWithoutKeys: [] }
      const workersMissing = fleet.missing()
      // A new host gets no traffic before all of it can be served.
      return fleet.hasStood ? { ...await askReadiness(), workersMissing } : { ...NOT_READY, workersMissing }
    },
    async renderMetrics () {
      // Each worker labels its own samples, so nothing is summed that should not be.
      const parts = await answersOf(probe<MetricsJson>(running(), 'metrics'))
      const joined: Registry = AggregatorRegistry.aggregate(parts as unknown as object[])
      return { contentType: joined.contentType, body: await joined.metrics() }
    },
    async listConnections (request) { return await askRepeatable(running(), 'listConnections', [request]) as ConnectionPage },
    async explain (question, misread) {
      const worker = await findLive(running()).catch(() => { throw new OperationFault('no worker answers', 'undone') })
      return await worker.link.call('explain', [question, misread], EXPLAIN_TIMEOUT_MS) as ExplainAnswer
    },
    lists: {
      async listBans (request) { return await askRepeatable(running(), 'list', ['listBans', request]) as Page<ListedBan> | null },
      async listRevocations (request) { return await askRepeatable(running(), 'list', ['listRevocations', request]) as Page<ListedRevocation> | null }
    },
    orders: { revoke: order('revoke'), unrevoke: order('unrevoke'), ban: order('ban'), unban: order('unban'), disconnect: order('disconnect'), recheck: order('recheck') },
    publishing: {
      // A program with a bus of its own starts no workers.
      knowsIds: true,
      async publish (publications) {
        const worker = await findLive(running()).catch(() => { throw new OperationFault('no worker answers', 'undone') })
        // Never tried again: a worker that fell silent may have published, and who asked decides whether to ask again.
        return unpackOutcomes(await worker.link.call('publish', [packPublications(publications)]) as Parameters<typeof unpackOutcomes>[0])
      }
    }
  }
}
