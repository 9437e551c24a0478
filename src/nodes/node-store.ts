import { waitAtMost } from '../redis/bounded-wait.js'
import { split } from '../collections/split.js'
import type { RedisClient } from '../redis/client.js'
import { createNodeKeys } from '../redis/keys.js'
import { readTexts, readTuple } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript, type LuaScript, type RunScript } from '../redis/lua-script.js'
import { createPatientClient } from '../redis/patient-client.js'
import { classifyFailure } from '../redis/failure.js'
import { ScriptItemError } from '../redis/script-item-error.js'

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

export interface Beat {
  /** Ms on Redis's clock. */
  readonly aliveUntilMs: number
  /** This node was overdue, or Redis does not know it: others may have claimed its connections. */
  readonly lapsed: boolean
  /** What became of the index: the same call has noted it there, or could not, or did not touch it. */
  readonly index: 'noted' | 'apart' | Error
}

/** A heartbeat that goes along with another call on a single Redis: what is added to the keys and the arguments of that call. */
export interface RidingBeat {
  readonly keys: readonly string[]
  readonly args: ReadonlyArray<string | number>
  /** Reads what note-alive.lua returned in that call. Throws what went wrong with it. */
  readonly read: (reply: readonly unknown[]) => Beat
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
const RECORDS_LIFE_MS = 86_400_000
/** A process that was stopped for longer than this may write closed lines that others have written. */
const CLAIMED_LIFE_MS = 3_600_000
const RECORDS_PER_CLAIM = 100
const IDS_PER_CALL = 500
const MAX_LOST = 20

const load = (name: string): LuaScript => readLuaScript(new URL('./lua/', import.meta.url), name)
const scripts = {
  beat: load('beat'), enlist: load('enlist'), findLost: load('find-lost'), claim: load('claim'), delist: load('delist'), listIds: load('list-ids')
}

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
  const lives = (): number[] => [leaseMs, grace, Date.now(), RECORDS_LIFE_MS, CLAIMED_LIFE_MS]
  const readBeat = (reply: unknown): Beat => {
    const [text] = Array.isArray(reply) ? reply : []
    if (typeof text === 'string') throw new ScriptItemError(scripts.beat.name, text, [own.records, own.claimed])
    const [aliveUntilMs, lapsed] = readTuple(Array.isArray(reply) ? reply.slice(0, 2) : reply, scripts.beat.name, 2)
    return { aliveUntilMs, lapsed: lapsed === 1, index: readIndex(reply) }
  }
  const readIndex = (reply: unknown): Beat['index'] => {
    const [, , wrong] = Array.isArray(reply) ? reply : []
    if (typeof wrong !== 'string') return 'apart'
    return wrong === '' ? 'noted' : new ScriptItemError(scripts.beat.name, wrong, [keys.index])
  }
  const beatApart = async (limitMs: number): Promise<Beat> =>
    readBeat(await runWithin(limitMs)(scripts.beat, [own.records, own.claimed], lives()))

  return {
    /** Notes that this node is alive: with its records, and on a single Redis in the index too. */
    async beat (limitMs = timeoutMs): Promise<Beat> {
      if (client.isCluster) return await beatApart(limitMs)
      try {
        return readBeat(await runWithin(limitMs)(scripts.beat, [own.records, own.claimed, keys.index], [...lives(), node]))
      } catch (error) {
        // A call with one key that is denied is denied whole: without a right to the index it is noted with the records all the same.
        if (classifyFailure(error).kind !== 'denied') throw error
        return await beatApart(limitMs)
      }
    },
    /** The same, for another call to take along; its keys before these end with this node's records. Null on a cluster. */
    rideAlong (): RidingBeat | null {
      return client.isCluster ? null : { keys: [own.claimed, keys.index], args: [...lives(), node], read: readBeat }
    },
    /** Notes it in the index of all nodes, where others look, unless the beat has. */
    async enlist ({ aliveUntilMs, index }: Beat, limitMs = timeoutMs): Promise<void> {
      if (index instanceof Error) throw index
      if (index === 'apart') await runWithin(limitMs)(scripts.enlist, [keys.index], [node, aliveUntilMs, RECORDS_LIFE_MS])
    },
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
