import { untilQuiet } from './cpu.js'

const IN_FLIGHT = 64

/**
 * A subject of `runRounds` whose operation is one upgrade attempt: server CPU until the last closed line is written.
 * @param {string} name
 * @param {object} options
 * @param {{ ask: (batch: object) => Promise<{ cpuUs: number, wallMs: number }> }} options.load a `load/upgrade.js`
 * @param {{ pid: number, port: number, cpuUs: () => number,
 *   lines?: ReturnType<import('../servers/log-lines.js').createLogLines> }} options.server
 * @param {{ pid: number, cpuUs: () => number, scriptCalls: () => Promise<number> }} [options.redis] the server's
 * @param {() => string[]} options.targets request targets of the next batch
 * @param {number} options.operations a round's
 * @param {string} [options.status] the answer expected, `101` by default
 * @param {number} [options.linesEach] log lines that one attempt brings, when that is exact
 * @param {string} [options.address] one source address instead of one for each
 */
export function upgradeSubject (name, { load, server, redis, targets, operations, status = '101', linesEach = 0, address, ...more }) {
  const drive = async (count) => {
    const wanted = linesEach === 0 ? 0 : server.lines.count() + linesEach * count
    const answer = await load.ask({ port: server.port, targets: targets(), count, status, address, inFlight: IN_FLIGHT })
    if (wanted > 0) await server.lines.until(wanted)
    await untilQuiet(redis === undefined ? [server.pid] : [server.pid, redis.pid])
    return answer
  }
  const readRedis = async () => redis === undefined ? null : { cpuUs: redis.cpuUs(), calls: await redis.scriptCalls() }
  const measure = async () => {
    const redisBefore = await readRedis()
    const before = server.cpuUs()
    const { cpuUs, wallMs } = await drive(operations)
    const serverUs = server.cpuUs() - before
    const redisAfter = await readRedis()
    return {
      value: serverUs / operations,
      extra: {
        ...(redisAfter === null
          ? {}
          : {
              'Redis µs': (redisAfter.cpuUs - redisBefore.cpuUs) / operations,
              'script calls': (redisAfter.calls - redisBefore.calls) / operations
            }),
        'server %': serverUs / wallMs / 10,
        'load %': cpuUs / wallMs / 10
      }
    }
  }
  return { name, measure, warmUp: drive, ...more }
}
