import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { readHistorySettings } from '../config/read-history-settings.js'
import { JsonText } from '../wire/json-text.js'
import { readTraceparent } from '../wire/traceparent.js'
import { PublishError } from './publish-error.js'
import { sendByHttp, type HttpTarget } from './send-by-http.js'
import { sendByRedis, type IoredisLike, type NodeRedisLike } from './send-by-redis.js'
import type { NamedPublication, PublishedEvent, SendOnce } from './sender.js'

interface RetryOptions {
  /** How long an event is tried again, in ms; default 60,000; 0: not at all. Less than `WS_HISTORY_S`, in which its id is remembered. */
  readonly retryForMs?: number
  /** How long one try may take, in ms, 1 or more; default 5,000. */
  readonly timeoutMs?: number
}

/** By the gateway's Redis, with the client that the program has: one by ioredis or node-redis, single or cluster. */
export interface RedisPublisherOptions extends RetryOptions {
  readonly redis: IoredisLike | NodeRedisLike
  /** The gateway's settings by name, of which `WS_HISTORY_…` and `REDIS_KEY_PREFIX` are read; default: the environment. */
  readonly settings?: Readonly<Record<string, string | undefined>>
}

/** By HTTP: `POST /v1/publish`. */
export interface HttpPublisherOptions extends RetryOptions, HttpTarget {}

export interface PublishOptions {
  /** By which the event is known again, 1 to 64 characters; default: a new one for each call. */
  readonly id?: string | undefined
  /**
   * The trace that the event belongs to (W3C Trace Context), such as the `traceparent` of the request that is being answered. A gateway
   * with `WS_TRACE_EVENTS` shows it to clients. What is no `traceparent` counts as absent: no event is lost over it.
   */
  readonly traceparent?: string | undefined
}

export interface Publisher {
  /**
   * Publishes an event once. Lost answers are asked for again, with back-off. What is published to one topic keeps its order, also
   * where nobody waits in between; an event that fails does not hold up the next. `data`: a value, or what `jsonText` gives.
   * Rejects with a `PublishError`.
   */
  publish (topic: string, event: string, data: unknown, options?: PublishOptions): Promise<PublishedEvent>
}

const RETRY_FOR_MS = 60_000
const TIMEOUT_MS = 5000
const FIRST_DELAY_MS = 100
const MAX_DELAY_MS = 5000

/** JSON that reaches the clients byte for byte, with numbers beyond 2^53 and its own order of members. Throws TypeError when it is none. */
export function jsonText (text: string): unknown {
  return JsonText.parse(text)
}

/** Makes a publisher for a back end. Throws when the settings, or the URL, are wrong. */
export function createPublisher (options: RedisPublisherOptions | HttpPublisherOptions): Publisher {
  const send = 'redis' in options ? sendByRedis({ redis: options.redis, ...readHistorySettings(options.settings ?? process.env) }) : sendByHttp(options)
  const { retryForMs = RETRY_FOR_MS, timeoutMs = TIMEOUT_MS } = options
  const inOrder = createLanes()
  return {
    async publish (topic, event, data, { id = randomUUID(), traceparent } = {}) {
      const trace = readTraceparent(traceparent)
      const publication = { topic, event, data: toJson(data, id), id, ...(trace === null ? {} : { trace }) }
      return await inOrder(topic, async () => await sendUntilTaken(send, publication, { retryForMs, timeoutMs }))
    }
  }
}

function toJson (data: unknown, id: string): JsonText {
  try {
    return JsonText.from(data)
  } catch (error) {
    throw named(new PublishError('bad_request', error instanceof Error ? error.message : 'not JSON', false, error), id)
  }
}

function named (error: PublishError, id: string): PublishError {
  error.id = id
  return error
}

/** Makes what does the work for one topic one after the other: a second event must not pass one that is being tried again. */
function createLanes (): <T>(topic: string, work: () => Promise<T>) => Promise<T> {
  const latest = new Map<string, Promise<unknown>>()
  return async (topic, work) => {
    const before = latest.get(topic)
    const running = (async () => {
      await before?.catch(() => { /* its own publisher was told */ })
      return await work()
    })()
    latest.set(topic, running)
    try {
      return await running
    } finally {
      if (latest.get(topic) === running) latest.delete(topic)
    }
  }
}

async function sendUntilTaken (
  send: SendOnce, publication: NamedPublication, { retryForMs, timeoutMs }: Required<RetryOptions>
): Promise<PublishedEvent> {
  const endsAtMs = performance.now() + retryForMs
  let mayBePublished = false
  for (let delayMs = FIRST_DELAY_MS; ; delayMs = Math.min(MAX_DELAY_MS, 2 * delayMs)) {
    try {
      return await send(publication, timeoutMs)
    } catch (error) {
      if (!(error instanceof PublishError)) throw error
      mayBePublished ||= error.mayBePublished
      // A part of it by chance, so that those who were cut off together do not come back together.
      const waitMs = delayMs * (0.5 + Math.random() / 2)
      if (error.code === 'unavailable' && performance.now() + waitMs < endsAtMs) {
        await delay(waitMs)
        continue
      }
      error.mayBePublished = mayBePublished
      throw named(error, publication.id)
    }
  }
}
