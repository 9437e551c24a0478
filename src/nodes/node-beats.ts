import type { RedisClient } from '../redis/client.js'
import { classifyFailure } from '../redis/failure.js'
import { readTuple } from '../redis/lua-reply.js'
import { readLuaScript, type RunScript } from '../redis/lua-script.js'
import { ScriptItemError } from '../redis/script-item-error.js'

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

export interface NodeBeatsOptions {
  readonly client: Pick<RedisClient, 'isCluster'>
  readonly node: string
  /** The key of the index of nodes. */
  readonly index: string
  /** The keys of this node. */
  readonly own: { readonly records: string, readonly claimed: string }
  readonly leaseMs: number
  /** The time a node may be overdue before its connections are claimed. */
  readonly graceMs: number
  /** How long one call may take, where it is not told another time. */
  readonly timeoutMs: number
  readonly runWithin: (limitMs: number) => RunScript
}

const RECORDS_LIFE_MS = 86_400_000
/** A process that was stopped for longer than this may write closed lines that others have written. */
export const CLAIMED_LIFE_MS = 3_600_000
const FOLDER = new URL('./lua/', import.meta.url)
const [beatScript, enlistScript] = [readLuaScript(FOLDER, 'beat'), readLuaScript(FOLDER, 'enlist')]

/** How one node tells that it is alive. */
export function createNodeBeats ({ client, node, index, own, leaseMs, graceMs, timeoutMs, runWithin }: NodeBeatsOptions) {
  const lives = (): number[] => [leaseMs, graceMs, Date.now(), RECORDS_LIFE_MS, CLAIMED_LIFE_MS]
  const readBeat = (reply: unknown): Beat => {
    const [text] = Array.isArray(reply) ? reply : []
    if (typeof text === 'string') throw new ScriptItemError(beatScript.name, text, [own.records, own.claimed])
    const [aliveUntilMs, lapsed] = readTuple(Array.isArray(reply) ? reply.slice(0, 2) : reply, beatScript.name, 2)
    return { aliveUntilMs, lapsed: lapsed === 1, index: readIndex(reply) }
  }
  const readIndex = (reply: unknown): Beat['index'] => {
    const [, , wrong] = Array.isArray(reply) ? reply : []
    if (typeof wrong !== 'string') return 'apart'
    return wrong === '' ? 'noted' : new ScriptItemError(beatScript.name, wrong, [index])
  }
  const beatApart = async (limitMs: number): Promise<Beat> =>
    readBeat(await runWithin(limitMs)(beatScript, [own.records, own.claimed], lives()))

  return {
    /** Notes that this node is alive: with its records, and on a single Redis in the index too. */
    async beat (limitMs = timeoutMs): Promise<Beat> {
      if (client.isCluster) return await beatApart(limitMs)
      try {
        return readBeat(await runWithin(limitMs)(beatScript, [own.records, own.claimed, index], [...lives(), node]))
      } catch (error) {
        // A call with one key that is denied is denied whole: without a right to the index it is noted with the records all the same.
        if (classifyFailure(error).kind !== 'denied') throw error
        return await beatApart(limitMs)
      }
    },
    /** The same, for another call to take along; its keys before these end with this node's records. Null on a cluster. */
    rideAlong (): RidingBeat | null {
      return client.isCluster ? null : { keys: [own.claimed, index], args: [...lives(), node], read: readBeat }
    },
    /** Notes it in the index of all nodes, where others look, unless the beat has. */
    async enlist ({ aliveUntilMs, index: outcome }: Beat, limitMs = timeoutMs): Promise<void> {
      if (outcome instanceof Error) throw outcome
      if (outcome === 'apart') await runWithin(limitMs)(enlistScript, [index], [node, aliveUntilMs, RECORDS_LIFE_MS])
    }
  }
}
