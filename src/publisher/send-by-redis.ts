import { channelsOf } from '../bus/topics.js'
import { checkPublication } from '../history/event-payload.js'
import type { HistorySettings } from '../history/history.js'
import { loadPublishScript } from '../history/publish-script.js'
import { formatPosition } from '../history/position.js'
import { readPublished } from '../history/script-replies.js'
import { waitAtMost } from '../redis/bounded-wait.js'
import { describeFailure } from '../redis/describe-failure.js'
import { classifyFailure } from '../redis/failure.js'
import { historyKey } from '../redis/keys.js'
import { PublishError } from './publish-error.js'
import type { SendOnce } from './sender.js'

type Argument = string | Buffer

/** The part of a client by ioredis, single or cluster, that runs scripts. */
export interface IoredisLike {
  evalsha (sha: string, keyCount: number, ...rest: Argument[]): Promise<unknown>
  eval (text: string, keyCount: number, ...rest: Argument[]): Promise<unknown>
}

interface EvalOptions { readonly keys: string[], readonly arguments: Argument[] }

/** The same of a client by node-redis. */
export interface NodeRedisLike {
  evalSha (sha: string, options: EvalOptions): Promise<unknown>
  eval (text: string, options: EvalOptions): Promise<unknown>
}

export interface RedisTarget {
  readonly redis: IoredisLike | NodeRedisLike
  /** Of the gateway's keys. */
  readonly prefix: string
  readonly history: HistorySettings
}

type Run = (script: 'sha' | 'text', value: string, key: string, args: Argument[]) => Promise<unknown>

/** The first word of an answer that is an error. */
const ANSWERED = /^-?[A-Z][A-Z0-9_]* /

/** Publishes by the script that `portcullis publish-script` prints. */
export function sendByRedis ({ redis, prefix, history }: RedisTarget): SendOnce {
  const { text, sha } = loadPublishScript(history)
  const run = runnerOf(redis)
  return async (publication, timeoutMs) => {
    const { topic, event, data, id, trace } = publication
    check(publication)
    const [channel = ''] = channelsOf(topic, prefix)
    const key = historyKey(prefix, channel)
    const args = trace === undefined ? [event, data.bytes, id, 'tell'] : [event, data.bytes, id, trace, 'trace']
    const running = run('sha', sha, key, args).catch(async (error: unknown) => {
      if (!isScriptLost(error)) throw error
      return await run('text', text, key, args)
    })
    try {
      const [published] = readPublished(await waitAtMost(running, timeoutMs, 'publishing'), 1, key)
      if (published?.status !== 'fulfilled') throw published?.reason
      return { pos: formatPosition(published.value), duplicate: published.value.isDuplicate }
    } catch (error) {
      throw explain(error)
    }
  }
}

function runnerOf (redis: IoredisLike | NodeRedisLike): Run {
  if ('evalSha' in redis) {
    return async (script, value, key, args) => {
      const options = { keys: [key], arguments: args }
      return script === 'sha' ? await redis.evalSha(value, options) : await redis.eval(value, options)
    }
  }
  return async (script, value, key, args) => script === 'sha' ? await redis.evalsha(value, 1, key, ...args) : await redis.eval(value, 1, key, ...args)
}

function check (publication: Parameters<typeof checkPublication>[0]): void {
  try {
    checkPublication(publication)
  } catch (error) {
    throw new PublishError('bad_request', error instanceof Error ? error.message : 'not an event', false, error)
  }
}

function isScriptLost (error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** Whatever is no answer of Redis may be tried again: each client library has its own words for a connection that is lost. */
function explain (error: unknown): PublishError {
  if (!(error instanceof Error) || !ANSWERED.test(error.message)) return new PublishError('unavailable', 'Redis did not answer', true, error)
  const { kind } = classifyFailure(error)
  const code = kind === 'away' ? 'unavailable' : kind === 'denied' ? 'unauthorized' : 'unexpected'
  return new PublishError(code, `Redis did not take it: ${describeFailure(error)}`, false, error)
}
