import type { Config } from '../config/config.js'
import { EXACT_WINDOW_LIMIT } from '../limits/limiter.js'
import { redisNeeds, type Need, type WindowKind } from '../redis/needs.js'
import { limitPrefix } from './limit-prefix.js'

const windowOf = (limit: number): WindowKind => limit <= EXACT_WINDOW_LIMIT ? 'times' : 'counters'

/** What the gateway asks of its Redis with these settings. */
export function needsOf (config: Pick<Config, 'redis' | 'limits' | 'tokens'>): Need[] {
  const { addressConnections, messages } = config.limits
  return redisNeeds({
    prefix: config.redis?.prefix ?? '',
    limitPrefix: limitPrefix(config),
    isCluster: (config.redis?.clusterUrls.length ?? 0) > 0,
    addressWindow: windowOf(addressConnections),
    messageWindow: windowOf(messages),
    introspects: config.tokens.issuers.some(({ introspection }) => introspection !== null)
  })
}
