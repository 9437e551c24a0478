import type { Redis } from '#ioredis'
import { classifyFailure } from '../../redis/failure.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const PINGS = 5
/** Each upgrade waits for a round trip. */
const SLOW_MS = 10
/** The scripts' least version, and that of channels which belong to a slot. */
const LEAST = { single: [6, 2], cluster: [7, 0] } as const

async function measureLatencyMs (node: Redis): Promise<number> {
  const times: number[] = []
  for (let n = 0; n < PINGS; n++) {
    const startMs = performance.now()
    // An answer that denies it takes as long; that it is denied is found with the other rights.
    await node.ping().catch((error: unknown) => { if (classifyFailure(error).kind !== 'denied') throw error })
    times.push(performance.now() - startMs)
  }
  return times.sort((a, b) => a - b)[Math.floor(PINGS / 2)] ?? 0
}

/** The fields of `INFO`; null when the user may not ask. */
async function readInfo (node: Redis): Promise<ReadonlyMap<string, string> | null> {
  try {
    const lines = (await node.info()).split('\r\n')
    return new Map(lines.map(line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
  } catch {
    return null
  }
}

function checkVersion (part: string, version: string, isCluster: boolean): Verdict {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor, leastMinor] = isCluster ? LEAST.cluster : LEAST.single
  const shown = version.replace(/[^\w.-]/g, '').slice(0, 20)
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
    ? ok(part, `version: ${shown}`)
    : fail(part, `version: ${shown}, wanted ${leastMajor}.${leastMinor} or newer`)
}

/** A key that is evicted takes its count, ban or revocation with it. */
function checkMemory (part: string, info: ReadonlyMap<string, string>): Verdict {
  const policy = (info.get('maxmemory_policy') ?? '').replace(/[^\w-]/g, '').slice(0, 30)
  if (info.get('maxmemory') === '0') return ok(part, 'memory: no maxmemory, so nothing is evicted')
  return policy === 'noeviction'
    ? ok(part, 'memory: bounded, nothing is evicted')
    : warn(part, `memory: maxmemory-policy is ${policy}: counts, bans and revocations may be evicted; set noeviction`)
}

/** Looks at one Redis: answer time, version, role, mode, and what it does when its memory is full. */
export async function checkRedisNode (node: Redis, isCluster: boolean): Promise<Verdict[]> {
  const part = isCluster ? `redis ${String(node.options.host)}:${String(node.options.port)}` : 'redis'
  const latencyMs = await measureLatencyMs(node)
  const shown = `latency: ${latencyMs.toFixed(1)} ms (median of ${PINGS})`
  const latency = latencyMs < SLOW_MS ? ok(part, shown) : warn(part, `${shown}: each upgrade waits for one round trip`)
  const info = await readInfo(node)
  if (info === null) return [latency, warn(part, 'INFO is denied to this user: version, role and memory were not looked at')]
  const role = info.get('role') === 'slave' ? [fail(part, 'role: a replica, which takes no writes: name the master')] : []
  return [latency, checkVersion(part, info.get('redis_version') ?? '', isCluster), ...role, checkMemory(part, info)]
}
