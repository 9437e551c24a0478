import type { Logger } from 'pino'
import { Compile } from 'typebox/compile'
import type { Config } from '../config/config.js'
import type { Control, ControlHandlers } from '../control/control.js'
import { createMemoryControl } from '../control/memory-control.js'
import { createRedisControl } from '../control/redis-control.js'
import { createRollCall } from '../control/roll-call.js'
import type { Bus, OnBusEvent } from '../bus/bus.js'
import type { Inbound, InboundMessage } from '../bus/inbound.js'
import { createMemoryBus } from '../bus/memory-bus.js'
import { createMemoryInbound } from '../bus/memory-inbound.js'
import { createRedisBus } from '../bus/redis-bus.js'
import { createRedisInbound } from '../bus/redis-inbound.js'
import type { RedisConnection } from '../redis/connect.js'
import { ListedConnectionSchema } from '../http/answer-schemas.js'
import { createAuthenticator } from '../http/auth.js'
import type { HttpAnswer, HttpRoute } from '../http/route.js'
import type { ListedConnection } from './operations.js'
import { answerPublish, MAX_PUBLISH_BYTES, type Publish } from '../http/publish.js'

const listed = Compile(ListedConnectionSchema)
const isListedConnection = (entry: unknown): entry is ListedConnection => listed.Check(entry)

/** Takes what clients send, where there is no Redis to keep it. */
export type OnInbound = (message: InboundMessage) => void

export interface Fanout {
  readonly bus: Bus
  readonly inbound: Inbound
  readonly control: Control
  readonly publish: Publish
  /** The open connections of a user in all processes. */
  readonly listConnections: (userId: string) => Promise<readonly ListedConnection[]>
  start (): void
  /** `POST /v1/publish` on the main port. */
  readonly routes: readonly HttpRoute[]
  close (): Promise<void>
}

export interface FanoutHandlers extends ControlHandlers {
  readonly onEvent: OnBusEvent
  readonly onInbound: OnInbound
  /** This process's part of a list of connections. */
  readonly onList: (userId: string) => readonly ListedConnection[]
}

function publishRoute (config: Config, publish: Publish): HttpRoute {
  const authenticate = createAuthenticator({ secret: config.admin.publishKey })
  return {
    method: 'POST',
    path: '/v1/publish',
    maxBodyBytes: MAX_PUBLISH_BYTES,
    async handle ({ headers, address, readBody }) {
      let failed: HttpAnswer | null = null
      const key = headers.get('x-publish-key') ?? null
      const { status, retryAfterS, body } = await answerPublish(authenticate, publish, key, address.key, async () => {
        const reading = await readBody()
        if (!reading.ok) failed = reading.answer
        return reading.ok ? parseJson(reading.text) : null
      })
      return failed ?? {
        status,
        headers: [['Content-Type', 'application/json'], ['Cache-Control', 'no-store'], ...(retryAfterS === undefined ? [] : [['Retry-After', String(retryAfterS)] as const])],
        body: JSON.stringify(body)
      }
    }
  }
}

/** Null for what is no JSON: that is no event either. */
function parseJson (text: string): unknown {
  try { return JSON.parse(text) as unknown } catch { return null }
}

/** Puts together what travels between processes: events, clients' messages, orders. In memory for one process without Redis. */
export function composeFanout (config: Config, redis: RedisConnection | null, log: Logger, handlers: FanoutHandlers): Fanout {
  const { inboundMax: maxEntries } = config.access
  const maxTokenLifetimeMs = config.tokens.maxLifetimeMs
  const bounded = { onEvent: handlers.onEvent }
  const rollCall = redis === null ? null : createRollCall({ client: redis.commands, prefix: config.redis?.prefix ?? '', answer: handlers.onList, isEntry: isListedConnection })
  let parts: Pick<Fanout, 'bus' | 'inbound' | 'control'>
  if (redis === null) {
    parts = {
      bus: createMemoryBus(bounded),
      inbound: createMemoryInbound({ onMessage: handlers.onInbound, maxEntries }),
      control: createMemoryControl({ handlers, maxTokenLifetimeMs })
    }
  } else {
    const shared = { client: redis.commands, prefix: config.redis?.prefix ?? '' }
    parts = {
      bus: createRedisBus({
        ...shared,
        ...bounded,
        onGap: (topics) => { log.warn({ event: 'bus.lost', topics }) },
        onGapEnd: ({ topics, durationMs }) => { log.warn({ event: 'bus.restored', topics, duration_ms: durationMs }) },
        onInvalid: (drops) => { log.warn({ event: 'bus.invalid', ...drops }) }
      }),
      inbound: createRedisInbound({ ...shared, maxEntries }),
      control: createRedisControl({ ...shared, handlers, maxTokenLifetimeMs, onInvalid: (drops) => { log.warn({ event: 'control.invalid', ...drops }) } })
    }
  }
  const publish: Publish = async (topic, event) => { await parts.bus.publish(topic, event) }
  return {
    ...parts,
    publish,
    listConnections: async userId => rollCall === null ? handlers.onList(userId) : await rollCall.ask(userId),
    start () {
      parts.control.start()
      rollCall?.start()
    },
    routes: config.admin.publishKey === null ? [] : [publishRoute(config, publish)],
    async close () {
      parts.inbound.close()
      rollCall?.close()
      await Promise.allSettled([parts.bus.close(), parts.control.close()])
    }
  }
}
