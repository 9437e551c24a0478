import { randomBytes } from 'node:crypto'
import type { Logger } from 'pino'
import type { Bus, BusHandlers } from '../bus/bus.js'
import { createMemoryBus } from '../bus/memory-bus.js'
import { publishOnBus, publishThroughHistory, type Publishing } from '../bus/publishing.js'
import { createRedisBus } from '../bus/redis-bus.js'
import type { Config } from '../config/config.js'
import type { History, HistorySettings } from '../history/history.js'
import { createMemoryHistory } from '../history/memory-history.js'
import { createRedisHistory } from '../history/redis-history.js'
import { writeEvent } from '../observe/log/log.js'
import type { RedisConnection } from '../redis/connect.js'
import { nodeChannel } from '../redis/keys.js'
import { SYSTEM_TIMERS } from '../timers.js'
import { createTopicLogs } from '../topic-log/process-logs.js'
import type { TopicLogs, TopicLogsOptions } from '../topic-log/topic-logs.js'
import type { GatewayParts } from './gateway-options.js'
import type { RedisFailures } from './redis-failures.js'

export interface TopicsDeps {
  readonly config: Config
  readonly redis: RedisConnection | null
  /** The name under which this process hears users' own topics; null: it subscribes to each of them. */
  readonly processName: string | null
  readonly log: Logger
  readonly redisFailures: Pick<RedisFailures, 'note' | 'noteUnreadable'>
  /** Events that came before were read in one call. */
  readonly onRead: () => void
  /** The program's own bus; null: the configured one. */
  readonly ownBus: GatewayParts['bus'] | null
}

/** What carries events, and what remembers them. */
export interface Topics {
  readonly logs: TopicLogs
  readonly publishing: Publishing
}

/** Where events go, and what has come before: the two are one step, so they are made together. */
interface Carrier {
  readonly openBus: (handlers: BusHandlers) => Bus
  readonly history: History
  /** Reads a head without waiting; null: that cannot be. */
  readonly readHead: TopicLogsOptions['readHead']
}

/** Puts together what carries events and remembers them. The program's own bus remembers nothing. */
export function composeTopics (deps: TopicsDeps): Topics {
  const { redis, ownBus } = deps
  if (ownBus !== undefined && ownBus !== null) return composeOwn(ownBus)
  const settings = deps.config.history
  const { openBus, history, readHead } = redis === null ? composeMemory(settings) : composeRedis(deps, redis, settings)
  const { redisFailures, onRead } = deps
  const logs = createTopicLogs({
    history,
    settings,
    openBus,
    readHead,
    timers: SYSTEM_TIMERS,
    showsTraces: deps.config.tracing.showsInEvents,
    onUnreadable: redisFailures.noteUnreadable,
    onRead
  })
  return { logs, publishing: publishThroughHistory(history) }
}

function composeMemory (settings: HistorySettings): Carrier {
  let carry = (_topic: string, _payload: Buffer): void => { /* before there is a bus nobody publishes */ }
  const history = createMemoryHistory({
    settings,
    onPublished: (topic, payload) => { carry(topic, payload) },
    // As long as Redis's are: a bus knows by its form what has a place.
    nameEpoch: () => randomBytes(12).toString('hex')
  })
  return {
    history,
    readHead: history.readHead,
    openBus (handlers) {
      const bus = createMemoryBus(handlers)
      carry = bus.carry
      return bus
    }
  }
}

function composeRedis (
  { config, processName, redisFailures, log }: TopicsDeps, { commands }: RedisConnection, settings: HistorySettings
): Carrier {
  const prefix = config.redis?.prefix ?? ''
  return {
    history: createRedisHistory({ client: commands, prefix, settings, process: processName }),
    readHead: null,
    openBus: handlers => createRedisBus({
      ...handlers,
      client: commands,
      prefix,
      own: processName === null ? null : nodeChannel(prefix, processName),
      onGap: (topics, sinceMs) => { writeEvent(log, { event: 'bus.lost', topics, since: new Date(sinceMs).toISOString() }) },
      onGapEnd: ({ topics, durationMs }) => { writeEvent(log, { event: 'bus.restored', topics, duration_ms: durationMs }) },
      onInvalid: (drops) => { writeEvent(log, { event: 'bus.invalid', ...drops }) },
      onRefused: redisFailures.note
    })
  }
}

function composeOwn (openOwn: NonNullable<GatewayParts['bus']>): Topics {
  let bus: Pick<Bus, 'publish'> = { publish: async () => { throw new Error('the bus is not open') } }
  const openBus = (handlers: BusHandlers): Bus => {
    const own = openOwn(handlers.onEvent)
    bus = own
    return tellingOfTopics(own, handlers)
  }
  const logs = createTopicLogs({ history: null, settings: null, openBus, readHead: null, timers: SYSTEM_TIMERS })
  return { logs, publishing: publishOnBus({ publish: async (topic, event) => { await bus.publish(topic, event) } }) }
}

/** A program's bus says of a topic only that it subscribed to it. */
function tellingOfTopics (bus: Bus, { onHeard, onLeft }: BusHandlers): Bus {
  const listeners = new Map<string, number>()
  return {
    async subscribe (topic) {
      listeners.set(topic, (listeners.get(topic) ?? 0) + 1)
      await bus.subscribe(topic)
      onHeard?.(topic)
    },
    unsubscribe (topic) {
      bus.unsubscribe(topic)
      const left = (listeners.get(topic) ?? 0) - 1
      if (left > 0) listeners.set(topic, left)
      else if (listeners.delete(topic)) onLeft?.(topic)
    },
    publish: async (topic, event) => { await bus.publish(topic, event) },
    close: async () => { await bus.close() }
  }
}
