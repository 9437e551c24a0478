import type { Audit } from '../observe/audit.js'
import type { Config } from '../config/config.js'
import { parseLeaseRecord } from '../connection/lease-record.js'
import type { Registry } from '../connection/registry.js'
import { createClosedLines } from '../nodes/closed-lines.js'
import { createHeartbeat } from '../nodes/heartbeat.js'
import { createNodeStore } from '../nodes/node-store.js'
import { createOwnRecords } from '../nodes/own-records.js'
import { createTakeover, type LostConnection } from '../nodes/takeover.js'
import type { RecordTrust } from '../limits/redis/record-calls.js'
import type { RedisConnection } from '../redis/connect.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import { isAway } from '../redis/failure.js'
import type { OnFault } from './report.js'

export interface Nodes {
  /** Writes a connection's closed line, unless another process has written it. */
  readonly closed: Audit['closed']
  /** What the limiter has to know of the records that it keeps for this process, and takes along for it. */
  readonly trust: RecordTrust
  /**
   * Resolves when the other processes know of this one, or Redis is away. `onAway`: a heartbeat found no connection to Redis, also where
   * nobody comes to this process whose attempt would find that out.
   */
  start (onAway: () => void): Promise<void>
  /** Leaves nothing behind, if Redis answers. The connections must have ended, and the limiter must be closed. Never rejects. */
  close (): Promise<void>
}

export interface NodesDeps {
  readonly config: Config
  readonly node: string
  readonly redis: RedisConnection | null
  readonly registry: Registry
  readonly audit: Audit
  /** Told of what Redis refused inside a script: a foreign value at a key, a right that is missing. */
  readonly onRefused: (error: unknown) => void
  readonly onFault: OnFault
}

/** What an upgrade may still do after its deadline: calls under way end. */
const PENDING_MARGIN_MS = 5000
const MAX_TIMEOUT_MS = 1000
/** How long the last closed lines wait for Redis to tell which of them others have written. */
const FLUSH_TIMEOUTS = 4
const monotonic = (): number => performance.now()

/** Puts together what gives every connection its one closed line though processes die. Without Redis nobody survives: no part of it. */
export function composeNodes ({ config, node, redis, registry, audit, onRefused, onFault }: NodesDeps): Nodes {
  if (redis === null) return { closed: audit.closed, trust: { mayRestore: () => true }, start: async () => {}, close: async () => {} }
  const { leaseMs } = config.limits
  const timeoutMs = Math.min(MAX_TIMEOUT_MS, leaseMs / 4)
  const store = createNodeStore({ client: redis.commands, prefix: config.redis?.prefix ?? '', node, leaseMs, timeoutMs })
  const heartbeat = createHeartbeat({ store, redis, leaseMs, timeoutMs, now: monotonic })
  const lines = createClosedLines({ write: audit.closed, heartbeat, onReturned: (connections) => { audit.nodeReturned(connections) } })
  const records = createOwnRecords({
    store,
    openIds: function * () { for (const { connectionId } of registry.all()) yield connectionId },
    takeEnded: lines.takeEnded,
    pendingMs: config.upgrade.deadlineMs + PENDING_MARGIN_MS,
    now: monotonic
  })
  let troubledAtMs = -Infinity
  const takeover = createTakeover({ store, heartbeat, leaseMs, now: monotonic, onLost: (lost) => { writeLost(audit, lost, onFault) } })
  return {
    closed (connection, closed) {
      if (connection.connectionId !== null) records.ended(connection.connectionId)
      lines.closed(connection, closed)
    },
    trust: {
      mayRestore: heartbeat.isCurrent,
      // Each lease is renewed within one: by then every record was looked for since. What is lost together with its lease needs no trouble.
      mayBeLost: () => monotonic() - troubledAtMs <= leaseMs,
      takeRider: heartbeat.takeRide
    },
    async start (onAway) {
      redis.keepWhile(heartbeat.isInDoubt)
      heartbeat.start({
        onReturn: async (limitMs) => {
          troubledAtMs = monotonic()
          lines.markClaimed(await store.readClaimed(limitMs))
        },
        onBeat: () => {
          redis.noteProbe(true)
          void records.tend()
        },
        onTrouble: (error) => {
          // A foreign value at a key, or a right that is missing, says nothing of the connections. Nor does a connection that
          // broke, which a renewal does itself: counted as a probe, one renewal would bring on the next.
          if (error !== null) redis.noteProbe(!isAway(error))
          if (error !== null) onRefused(error)
          // One that has just broken may be there again in a moment, and why it is not only an attempt to connect can tell.
          if (error !== null && !redis.isUp() && redis.lastError() !== null) onAway()
          records.distrust()
          troubledAtMs = monotonic()
        }
      })
      const firstBeat = heartbeat.beat()
      takeover.start()
      if (redis.isUp()) await firstBeat
    },
    async close () {
      const flushed = lines.flush()
      // Lines that wait for a Redis that does not answer are written rather than lost with this process.
      await Promise.all([takeover.stop(), waitAtMost(flushed, FLUSH_TIMEOUTS * timeoutMs, 'the last closed lines').catch(() => {})])
      await heartbeat.stop()
      await flushed
      await store.leave().catch(() => { /* Redis is away: the records of these connections stay until another node claims them */ })
    }
  }
}

function writeLost (audit: Audit, { node, seenAtMs, connectionId, record }: LostConnection, onFault: OnFault): void {
  const facts = parseLeaseRecord(record)
  if (facts === null) return onFault(new Error('a lease record cannot be read'), 'nodes')
  const durationMs = seenAtMs === null ? null : Math.max(0, seenAtMs - facts.acceptedAtMs)
  audit.closed({ ...facts, connectionId }, { reason: 'node_lost', lostNode: node, code: null, durationMs, messagesIn: null, messagesOut: null })
}
