import { createHash } from 'node:crypto'
import { introspectionKey } from '../redis/keys.js'
import { readTextIntegerPairs, UnexpectedReply } from '../redis/lua-reply.js'
import { createScriptRunner, readLuaScript, type LuaScript, type ScriptClient } from '../redis/lua-script.js'
import type { SharedAnswer, SharedAnswers } from '../tokens/shared-answers.js'

export interface RedisAnswersOptions {
  readonly client: ScriptClient
  /** While Redis is known to be away nobody waits for it. */
  readonly isUp: () => boolean
  readonly prefix: string
  /** How long an answer counts, in ms. */
  readonly countsMs: number
  /** How long others leave a question to the process that has begun to ask it, in ms. */
  readonly claimMs: number
}

const CALL_TIMEOUT_MS = 1000
const load = (name: string): LuaScript => readLuaScript(new URL('./lua/', import.meta.url), name)

/** Shares answers by Redis, at `<prefix>ws:introspect:<SHA-256 of the token>`: who reads Redis gets no token. */
export function createRedisAnswers ({ client, isUp, prefix, countsMs, claimMs }: RedisAnswersOptions): SharedAnswers {
  const [takeScript, keepScript] = [load('take-answer'), load('keep-answer')]
  const run = createScriptRunner(client, CALL_TIMEOUT_MS)
  const keyOf = (token: string): string => introspectionKey(prefix, createHash('sha256').update(token).digest('hex'))

  async function call (script: LuaScript, token: string, args: ReadonlyArray<string | number>): Promise<unknown> {
    if (!isUp()) throw new Error('Redis is away')
    return await run(script, [keyOf(token)], args)
  }

  return {
    async take (token, maxAgeMs) {
      return readAnswer(await call(takeScript, token, [Math.floor(maxAgeMs), countsMs, claimMs]), takeScript.name)
    },
    async keep (token, answer, ageMs) {
      await call(keepScript, token, [answer ?? '', Math.ceil(ageMs), countsMs])
    }
  }
}

function readAnswer (reply: unknown, script: string): SharedAnswer {
  const [[kind, ms] = ['', 0]] = readTextIntegerPairs(reply, script)
  if (kind === 'ours') return { kind }
  if (kind === 'claimed') return { kind, forMs: ms }
  if (kind === 'active' || kind === 'inactive') return { kind, ageMs: ms }
  throw new UnexpectedReply(script, 'an answer')
}
