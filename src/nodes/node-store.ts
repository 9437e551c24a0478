import { waitAtMost } from '../redis/bounded-wait.js'
import { split } from '../collections/split.js'
import type { RedisClient } from '../redis/client.js'
import { createNodeKeys } from '../redis/keys.js'
import { readTexts } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript, type LuaScript, type RunScript } from '../redis/lua-script.js'
import { createPatientClient } from '../redis/patient-client.js'
import { CLAIMED_LIFE_MS, createNodeBeats } from './node-beats.js'

export interface NodeStoreOptions {
  readonly client: RedisClient
  /** Before every key; that of the limiter, which keeps the records. */
  readonly prefix: string
  /** The name of this process. */
  readonly node: string
  /** For how many ms a node counts as alive after each heartbeat. */
  readonly leaseMs: number
  /** How long one call may take, where it is not told another time. */
  readonly timeoutMs: number
}

/** Some of a lost node's records; each is given to one process only. */
export interface ClaimedPage {
  /** Where to go on; null: that was all. */
  readonly cursor: string | null
  /** The node's own clock at its last heartbeat, in ms since the epoch; null: not known. */
  readonly seenAtMs: number | null
  readonly records: ReadonlyArray<{ readonly connectionId: string, readonly record: string }>
}

/** The time a node may be overdue before its connections are claimed: half a lease. */
const graceMs = (leaseMs: number): number => Math.ceil(leaseMs / 2)
const RECORDS_PER_CLAIM = 100
const IDS_PER_CALL = 500
const MAX_LOST = 20

const load = (name: string): LuaScript => readLuaScript(new URL('./lua/', import.meta.url), name)
const scripts = { findLost: load('find-lost'), claim: load('claim'), delist: load('delist'), listIds: load('list-ids') }

export type NodeStore = ReturnType<typeof createNodeStore>

/** The nodes in Redis. Every call touches one slot, and rejects when Redis does not answer in time; `limitMs`: each command's own. */
export function createNodeStore ({ client, prefix, node, leaseMs, timeoutMs }: NodeStoreOptions) {
  const keys = createNodeKeys(prefix)
  const own = { records: keys.records(node), claimed: keys.claimed(node) }
  const grace = graceMs(leaseMs)
  const bounded = async <T>(work: Promise<T>): Promise<T> => await waitAtMost(work, timeoutMs, 'a call about nodes')
  const run = createScriptRunner(client, timeoutMs)
  const runWithin = (limitMs: number): RunScript =>
    limitMs === timeoutMs ? run : createScriptRunner(createPatientClient(client, limitMs), limitMs)

  return {
    ...createNodeBeats({ client, node, index: keys.index, own, leaseMs, graceMs: grace, timeoutMs, runWithin }),
    /** Up to 20 other nodes that are overdue; none when `goodUntilMs` (Redis's clock) has passed. */
    async findLost (goodUntilMs: number): Promise<string[]> {
      const reply = await run(scripts.findLost, [keys.index], [grace, goodUntilMs, MAX_LOST + 1])
      return readTexts(reply, scripts.findLost.name).filter(name => name !== node)
    },
    /** Takes about 100 records of a lost node. Null: it is alive, or `goodUntilMs` (Redis's clock) has passed. */
    async claim (lost: string, goodUntilMs: number, cursor: string): Promise<ClaimedPage | null> {
      const args = [grace, goodUntilMs, cursor, RECORDS_PER_CLAIM, CLAIMED_LIFE_MS]
      const reply = await run(scripts.claim, [keys.records(lost), keys.claimed(lost)], args)
      return reply === null ? null : readClaimedPage(readTexts(reply, scripts.claim.name))
    },
    /** Takes a node whose records are all claimed off the index, unless it came back. */
    async delist (lost: string): Promise<void> {
      await run(scripts.delist, [keys.index], [lost, grace])
    },
    /** This node's connections that others have claimed. */
    async readClaimed (limitMs = timeoutMs): Promise<string[]> {
      const patient = createPatientClient(client, limitMs)
      return await readPages(async cursor => readScan(await patient.send('sscan', [own.claimed, cursor, 'COUNT', IDS_PER_CALL])))
    },
    /** Forgets claimed connections that have ended. */
    async unclaim (connectionIds: readonly string[]): Promise<void> {
      for (const part of split(connectionIds, IDS_PER_CALL)) await bounded(client.srem(own.claimed, ...part))
    },
    /** This node's connections that have a record. */
    async listRecords (): Promise<string[]> {
      return await readPages(async (cursor) => {
        const [next = '0', ...ids] = readTexts(await run(scripts.listIds, [own.records], [cursor, IDS_PER_CALL]), scripts.listIds.name)
        return [next, ids]
      })
    },
    async removeRecords (connectionIds: readonly string[]): Promise<void> {
      for (const part of split(connectionIds, IDS_PER_CALL)) await bounded(client.hdel(own.records, ...part))
    },
    /** Leaves nothing of this node behind. */
    async leave (): Promise<void> {
      await bounded(Promise.all([client.del(own.records), client.del(own.claimed), client.zrem(keys.index, node)]))
    }
  }
}

function readClaimedPage ([cursor, seenAt, ...flat]: readonly string[]): ClaimedPage {
  const records = Array.from({ length: flat.length / 2 }, (_, n) => ({ connectionId: flat[2 * n] ?? '', record: flat[2 * n + 1] ?? '' }))
  return { cursor: cursor === '0' || cursor === undefined ? null : cursor, seenAtMs: seenAt === '' ? null : Number(seenAt), records }
}

function readScan (reply: unknown): readonly [string, readonly string[]] {
  const [cursor, ids] = Array.isArray(reply) ? reply as readonly unknown[] : []
  return [readTexts([cursor], 'sscan')[0] ?? '', readTexts(ids, 'sscan')]
}

/** Follows a cursor to its end. An id may be seen twice. */
async function readPages (readPage: (cursor: string) => Promise<readonly [string, readonly string[]]>): Promise<string[]> {
  const all: string[] = []
  let cursor = '0'
  do {
    const [next, ids] = await readPage(cursor)
    for (const id of ids) all.push(id)
    cursor = next
  } while (cursor !== '0')
  return all
}
