import { readTuple } from '../../redis/lua-reply.js'
import { createLimitKeys } from '../../redis/keys.js'
import { createScriptRunner, type ScriptClient } from '../../redis/lua-script.js'
import { ScriptItemError } from '../../redis/script-item-error.js'
import type { LimitSettings } from '../limiter.js'
import type { LimitReader } from '../reading.js'
import { subWindowMs } from '../sub-window.js'
import { loadScript } from './scripts.js'

export interface LimitReaderOptions {
  /** Before every key of a limit; the limiter's. */
  readonly prefix: string
  /** How long one script call may take, 1 or more; longer rejects. */
  readonly callTimeoutMs: number
}

type Settings = Pick<LimitSettings, 'addressConnections' | 'addressWindowMs' | 'userConnections'>
type Counts = readonly [used: number, resetMs: number, waitMs: number]

/** Reads the limits in Redis by a script that writes nothing; on a cluster one call for each key. */
export function createRedisLimitReader (
  client: ScriptClient, settings: Settings, { prefix, callTimeoutMs }: LimitReaderOptions
): LimitReader {
  const { addressConnections, addressWindowMs, userConnections } = settings
  const keys = createLimitKeys(prefix)
  const run = createScriptRunner(client, callTimeoutMs)
  const script = loadScript('read-limits')
  const fixed = [addressConnections, addressWindowMs, subWindowMs(addressConnections, addressWindowMs, 0)]

  async function ask (questions: ReadonlyArray<readonly [kind: string, key: string]>): Promise<unknown[]> {
    if (questions.length === 0) return []
    const reply = await run(script, questions.map(([, key]) => key), [...fixed, ...questions.map(([kind]) => kind)])
    return Array.isArray(reply) ? reply : []
  }

  function readCounts (reply: unknown, key: string): Counts {
    if (typeof reply === 'string') throw new ScriptItemError(script.name, reply, [key])
    return readTuple(reply, script.name, 3)
  }

  return {
    async read ({ address, owner }) {
      const addressKey = address === null ? null : keys.address(address)
      const userKey = owner === null ? null : keys.user(owner)
      const questions = [...(addressKey === null ? [] : [['a', addressKey] as const]), ...(userKey === null ? [] : [['u', userKey] as const])]
      const answers = client.isCluster ? (await Promise.all(questions.map(async one => await ask([one])))).flat() : await ask(questions)
      const [used, resetMs, waitMs] = addressKey === null ? [0, 0, 0] : readCounts(answers[0], addressKey)
      return {
        address: addressKey === null ? null : { used, limit: addressConnections, resetMs, waitMs },
        slots: userKey === null ? null : { used: readCounts(answers.at(-1), userKey)[0], limit: userConnections }
      }
    }
  }
}
