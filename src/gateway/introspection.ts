import { createRedisAnswers } from '../introspection/redis-answers.js'
import { writeEvent } from '../observe/log/log.js'
import { createMinuteLines } from '../observe/minute-lines.js'
import type { IntrospectionDeps } from '../tokens/introspection.js'
import type { Exits } from './exits.js'
import type { Ground } from './ground.js'

/** What asking issuers about tokens needs of the rest: answers shared by Redis, and somebody to tell what became of each question. */
export function composeIntrospection (
  { config, redis, log, metrics }: Pick<Ground, 'config' | 'redis' | 'log' | 'metrics'>, exits: Exits
): Pick<IntrospectionDeps, 'shared' | 'onOutcome'> {
  const { introspection: { countsMs }, jwks: { timeoutMs } } = config.tokens
  const lines = createMinuteLines(() => performance.now())
  exits.add(lines.close)
  return {
    shared: redis === null
      ? null
      : createRedisAnswers({ client: redis.commands, isUp: redis.isUp, prefix: config.redis?.prefix ?? '', countsMs, claimMs: timeoutMs }),
    onOutcome (issuer, outcome, failure) {
      metrics.introspection(outcome)
      if (failure === null) return
      const { fault, detail } = failure
      lines.note(`${issuer} ${fault} ${detail}`, 1, (count) => {
        writeEvent(log, { event: 'introspection.failed', issuer, reason: fault, detail: detail ?? undefined, count })
      })
    }
  }
}
