import type { Logger } from 'pino'
import type { Config } from '../config/config.js'
import type { Control } from '../control/control.js'
import { createMemoryControl } from '../control/memory-control.js'
import { createRedisControl } from '../control/redis-control.js'
import type { RedisConnection } from '../redis/connect.js'
import { createMinuteLines } from '../observe/minute-lines.js'
import { describeFailure } from '../redis/describe-failure.js'
import { longestLifetimeMs } from '../tokens/claim-rules.js'
import { writeEvent } from '../observe/log/log.js'
import type { Exits } from './exits.js'
import type { RedisFailures } from './redis-failures.js'

export interface ControlDeps {
  readonly config: Config
  readonly redis: RedisConnection | null
  readonly log: Logger
  readonly redisFailures: Pick<RedisFailures, 'note'>
}

/** Puts together what operators order: in Redis for all processes, in memory for one without Redis. */
export function composeControl ({ config, redis, log, redisFailures }: ControlDeps, exits: Pick<Exits, 'add'>): Control {
  const maxTokenLifetimeMs = longestLifetimeMs(config.tokens)
  const issuers = config.tokens.issuers.map(({ name }) => name)
  if (redis === null) return createMemoryControl({ maxTokenLifetimeMs, issuers })
  const untold = createMinuteLines(() => performance.now())
  exits.add(untold.close)
  return createRedisControl({
    client: redis.commands,
    prefix: config.redis?.prefix ?? '',
    maxTokenLifetimeMs,
    issuers,
    onInvalid: (drops) => { writeEvent(log, { event: 'control.invalid', ...drops }) },
    onRefused: redisFailures.note,
    onHeard: ({ order, userId, address, revocation, dropped }) => {
      writeEvent(log, { event: 'control.order', order, user_id: userId, ip: address, revocation, dropped })
    },
    onUntold: (what, error) => {
      const detail = describeFailure(error)
      untold.note(`${what} ${detail}`, 1, (count) => { writeEvent(log, { event: 'control.untold', reason: what, detail, count }) })
    },
    onWrittenBack: (orders) => { writeEvent(log, { event: 'control.restored', orders }) }
  })
}
