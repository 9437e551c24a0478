import type { Redis } from '#ioredis'
import type { Config } from '../../config/config.js'
import { needsOf } from '../../gateway/redis-needs.js'
import { classifyFailure } from '../../redis/failure.js'
import { findDenied, type Denied } from '../../redis/find-denied.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PART = 'redis'

/** One verdict for each key and channel on which something is denied. */
function describeDenied (denied: readonly Denied[]): Verdict[] {
  return [...new Set(denied.map(({ need }) => need))].map((need) => {
    const commands = new Set(denied.filter(one => one.need === need).map(({ command }) => command.toUpperCase()))
    return fail(PART, `rights: the user may not ${[...commands].join(', ')}${need.on === 'server' ? '' : ` on the ${need.on} ${need.pattern}`}`)
  })
}

/** Asks what the user may not do of all that the gateway does, by key and channel, without doing it. `nodes`: all that take writes. */
export async function checkRedisRights (nodes: readonly Redis[], config: Config): Promise<Verdict[]> {
  const needs = needsOf(config)
  try {
    const found = await Promise.all(nodes.map(async node => await findDenied(node, needs)))
    if (found.includes(null)) return [warn(PART, 'rights: a Redis before 7 cannot say what its user may do: look at its ACL LOG')]
    const denied = found.flatMap(each => each ?? [])
    return denied.length > 0 ? describeDenied(denied) : [ok(PART, `rights: the user may do all that is asked on ${needs.filter(({ on }) => on !== 'server').length} kinds of keys and channels`)]
  } catch (error) {
    const isDenied = classifyFailure(error).kind === 'denied'
    return [isDenied ? fail(PART, 'rights: the user may not EVAL and EVALSHA') : warn(PART, 'rights: they could not be asked about')]
  }
}
