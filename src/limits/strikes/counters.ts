import { isAway } from '../../redis/failure.js'
import { readBatch } from '../../redis/lua-reply.js'
import { ScriptItemError } from '../../redis/script-item-error.js'
import { createLimitKeys } from '../../redis/keys.js'
import { createScriptRunner, readLuaScript, type ScriptClient } from '../../redis/lua-script.js'
import { SUB_WINDOWS } from '../limiter.js'
import { createSlidingWindow, createWindowLog, type WindowLog } from '../memory/window.js'
import { createTwoGenerationMap } from '../../collections/two-generation-map.js'

/** New strikes per address: 1 or more. */
export type StrikeCounts = ReadonlyMap<string, number>

/**
 * Counts strikes of at most `MAX_STRUCK_PER_CALL` addresses. Returns the addresses that have reached `banAfter` within a
 * window; their count begins anew. Rejects when the store cannot be asked.
 */
export type CountStrikes = (counts: StrikeCounts) => Promise<string[]>

export interface StrikeSettings {
  /** Strikes within a window for which an address is banned: 1 to 10^9. */
  readonly banAfter: number
  readonly windowMs: number
}

/** Redis serves no other client while a script runs. */
export const MAX_STRUCK_PER_CALL = 500
const MAX_ADDRESSES = 100_000
const CALL_TIMEOUT_MS = 1000

/** Strikes counted by this process alone. `now`: monotonic, in ms. At most 100,000 addresses: beyond that the oldest are forgotten. */
export function createMemoryStrikes ({ banAfter, windowMs }: StrikeSettings, now: () => number): CountStrikes {
  const window = createSlidingWindow(banAfter, windowMs, 0)
  const logs = createTwoGenerationMap<WindowLog>(MAX_ADDRESSES, 2 * windowMs)

  function strike (address: string, count: number, at: number): boolean {
    const log = logs.get(address) ?? createWindowLog()
    const enough = window.update(log, at) + count >= banAfter
    if (!enough) window.add(log, at, count)
    logs.set(address, enough ? createWindowLog() : log, at)
    return enough
  }
  return async (counts) => {
    const at = Math.floor(now())
    return [...counts].filter(([address, count]) => strike(address, count, at)).map(([address]) => address)
  }
}

/** What becomes of an address whose strikes alone cannot be counted in Redis: a value of another type stands at its key. */
export interface StrikeFallback {
  readonly onFailure: (error: unknown) => void
  /** Counts it instead. */
  readonly local: CountStrikes
}

const NO_FALLBACK: StrikeFallback = { onFailure: () => {}, local: async () => [] }

/** Strikes counted in Redis by all processes, at `<prefix>ws:strikes:<address>`; on a cluster with one call per address. */
export function createRedisStrikes (
  client: ScriptClient, prefix: string, { banAfter, windowMs }: StrikeSettings, fallback = NO_FALLBACK
): CountStrikes {
  const script = readLuaScript(new URL('../redis/lua/', import.meta.url), 'strike')
  const run = createScriptRunner(client, CALL_TIMEOUT_MS)
  const { strikes } = createLimitKeys(prefix)
  const fixed = [banAfter, windowMs, Math.ceil(windowMs / (SUB_WINDOWS - 1))]

  async function countPart (part: ReadonlyArray<readonly [string, number]>): Promise<string[]> {
    const keys = part.map(([address]) => strikes(address))
    const reply = await run(script, keys, [...fixed, ...part.map(([, count]) => count)])
    const { answers } = readBatch(reply, script.name, part.length, keys)
    const failures = answers.flatMap((answer, i) => typeof answer === 'string' ? [new ScriptItemError(script.name, answer, keys.slice(i, i + 1))] : [])
    const away = failures.find(isAway)
    if (away !== undefined) throw away
    for (const failure of failures) fallback.onFailure(failure)
    const uncounted = failures.length === 0 ? [] : await fallback.local(new Map(part.filter((_, i) => typeof answers[i] === 'string')))
    return [...part.filter((_, i) => answers[i] === 1).map(([address]) => address), ...uncounted]
  }
  return async (counts) => {
    const all = [...counts]
    if (!client.isCluster) return await countPart(all)
    return (await Promise.all(all.map(async (one) => await countPart([one])))).flat()
  }
}
