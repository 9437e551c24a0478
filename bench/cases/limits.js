import { fileURLToPath } from 'node:url'
import { untilQuiet } from '../measure/cpu.js'
import { runRounds } from '../measure/rounds.js'
import { startScript } from '../servers/child.js'
import { startRedis } from '../servers/redis.js'

export const title = 'Redis CPU per operation of the limits, 64 at once; many keys (exact windows), one (sub-windows), or one call per key as on a cluster, beside a PING each'
const OPERATIONS = 10_000
/** In this order: what one takes the next ones renew and give back. */
const KINDS = ['admit', 'renew', 'release', 'takeGrant', 'settle']
const SCRIPTS = {
  admit: 'admit.lua',
  renew: 'renew.lua, 500 at once',
  release: 'release.lua, 500 at once',
  takeGrant: 'take-grant.lua',
  settle: 'settle.lua, 500 at once'
}

export async function run (scope, { rounds, operations = OPERATIONS, progress }) {
  const redis = await startRedis(scope)
  const client = await startScript(fileURLToPath(new URL('../servers/limiter-client.js', import.meta.url)), { REDIS_URL: redis.url })
  scope.onEnd(client.stop)
  const countScripts = async () => (await redis.calls())['script calls']
  const subject = (name, request, more) => {
    const measure = async () => {
      const [scriptCalls, before] = [await countScripts(), redis.cpuUs()]
      const { cpuUs } = await client.ask({ ...request, count: operations })
      await untilQuiet([redis.pid])
      const redisUs = redis.cpuUs() - before
      return {
        value: redisUs / operations,
        extra: { 'client µs': cpuUs / operations, 'script calls': (await countScripts() - scriptCalls) / operations }
      }
    }
    return { name, measure, ...more }
  }
  const ours = (keys, kinds) => kinds.map(operation => subject(`${SCRIPTS[operation]}, ${keys}`, { operation, keys }))
  const subjects = [
    subject('PING', { operation: 'pingEach', keys: 'many keys' }, { control: 'floor' }),
    ...ours('many keys', KINDS),
    ...ours('one key', KINDS),
    ...ours('one call per key', ['admit', 'renew', 'release'])
  ]
  for (const { name, measure } of subjects) {
    progress(`warming up: ${name}`)
    await measure()
  }
  return await runRounds(subjects, { rounds, unit: 'µs', progress })
}
