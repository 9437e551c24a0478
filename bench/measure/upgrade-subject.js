import { untilQuiet } from './cpu.js'

const IN_FLIGHT = 64
/** Of a round of another build, see `linesLost`. */
export const LOST_BY_BEFORE = 16

/**
 * A subject of `runRounds` whose operation is one upgrade attempt: server CPU until the last closed line is written.
 * @param {string} name
 * @param {object} options
 * @param {{ ask: (batch: object) => Promise<{ cpuUs: number, wallMs: number }> }} options.load a `load/upgrade.js`
 * @param {{ pid: number, pids?: number[], port: number, cpuUs: () => number,
 *   lines?: ReturnType<import('../servers/log-lines.js').createLogLines> }} options.server
 * @param {{ pid: number, cpuUs: () => number, calls: () => Promise<Record<string, number>> }} [options.redis] the server's
 * @param {() => string[]} options.targets request targets of the next batch
 * @param {() => string[]} [options.hellos] what the clients send first, where the protocol wants that
 * @param {number} options.operations a round's
 * @param {string} [options.status] the answer expected, `101` by default; `|` between two that are both right
 * @param {string} [options.expected] text that must follow the head of the answer
 * @param {number} [options.linesEach] log lines that one attempt brings, when that is exact
 * @param {number} [options.linesLost] as many of a batch's lines may be missing: a120f99 on the current binding loses a connection in some
 *   ten thousand without a word. Its CPU is counted once all is quiet.
 * @param {string} [options.address] one source address instead of one for each
 * @param {number} [options.inFlight] attempts at once
 */
export function upgradeSubject (name, {
  load, server, redis, targets, hellos, operations, status = '101', expected, linesEach = 0, linesLost = 0, address, inFlight = IN_FLIGHT, ...more
}) {
  const pids = [...server.pids ?? [server.pid], ...(redis === undefined ? [] : [redis.pid])]
  const drive = async (count) => {
    const wanted = linesEach === 0 ? 0 : server.lines.count() + linesEach * count - linesLost
    const answer = await load.ask({ port: server.port, targets: targets(), hellos: hellos?.(), count, status, expected, address, inFlight })
    if (wanted > 0) await server.lines.until(wanted)
    await untilQuiet(pids)
    return answer
  }
  /** What changed of Redis, for each operation. */
  const compareRedis = (before, after) => ({
    'Redis µs': (after.cpuUs - before.cpuUs) / operations,
    ...Object.fromEntries(Object.entries(after.calls).map(([kind, calls]) => [kind, (calls - before.calls[kind]) / operations]))
  })
  const readRedis = async () => redis === undefined ? null : { cpuUs: redis.cpuUs(), calls: await redis.calls() }
  const measure = async () => {
    const redisBefore = await readRedis()
    const before = server.cpuUs()
    const { cpuUs, wallMs } = await drive(operations)
    const serverUs = server.cpuUs() - before
    const redisAfter = await readRedis()
    return {
      value: serverUs / operations,
      extra: {
        ...(redisAfter === null ? {} : compareRedis(redisBefore, redisAfter)),
        'server %': serverUs / wallMs / 10,
        'load %': cpuUs / wallMs / 10
      }
    }
  }
  return { name, measure, warmUp: drive, ...more }
}
