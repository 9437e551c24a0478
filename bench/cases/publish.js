import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { createPoster } from '../load/poster.js'
import { createPublishing, DATA, EVENT, loadScript } from '../load/publish-by-redis.js'
import { startLoad } from '../load/start-load.js'
import { untilQuiet } from '../measure/cpu.js'
import { runRounds } from '../measure/rounds.js'
import { startScript } from '../servers/child.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'CPU of gateway and Redis together per event that one connection hears, published by Redis and by HTTP'
const TOPIC = 'agent:a1'
const OPERATIONS = 3200
/** Requests before the first round: V8 goes on compiling that long, and a request carries one event or many. */
const WARM_UP = { 1: 16_000, 16: 4000, 200: 400 }
const KEY = randomBytes(24).toString('hex')
const BARE = fileURLToPath(new URL('../servers/bare-publish.js', import.meta.url))

/**
 * One client that publishes one after the other, on one connection that it keeps. What publishes by Redis is no process of ours, so its
 * own part of the work is not in the figure; `bare POST` shows what an endpoint costs that does nothing but run the script.
 */
export async function run (scope, { rounds, operations = OPERATIONS, progress, before }) {
  const bench = { issuer: await startIssuer(scope), script: loadScript() }
  const ours = await startListened(scope, bench, {})
  const old = before === undefined ? null : await startListened(scope, bench, { root: before })
  const rows = []
  for (const batch of Object.keys(WARM_UP).map(Number)) {
    const subjects = await listSubjects(scope, { ours, old, script: bench.script, batch, operations })
    for (const { name, warmUp } of subjects) {
      progress(`warming up: ${name}`)
      await warmUp()
    }
    rows.push(...await runRounds(subjects, { rounds, unit: 'µs', progress }))
  }
  return rows
}

/** A gateway with one connection that listens to the topic. */
async function startListened (scope, { issuer }, { root }) {
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, root, env: { PUBLISH_KEY: KEY } })
  const load = await startLoad(scope, 'connections')
  const target = `/ws?agent_ids=a1&token=${issuer.token({ agents: ['a1'] })}`
  await load.ask({ op: 'connect', port: server.port, targets: [target], count: 1, firstAddress: 0, greeting: { frames: 2 } })
  return { redis, server, load }
}

async function listSubjects (scope, { ours, old, script, batch, operations }) {
  const entry = { topic: TOPIC, event: EVENT, data: JSON.parse(DATA) }
  const body = JSON.stringify(batch === 1 ? entry : Array.from({ length: batch }, () => entry))
  const posterOf = port => createPoster(scope, { port, path: '/v1/publish', headers: { 'Content-Type': 'application/json', 'X-Publish-Key': KEY }, body })
  const bare = await startScript(BARE, { REDIS_URL: ours.redis.url, SCRIPT: script })
  scope.onEnd(bare.stop)
  const { byScript } = await createPublishing(ours.redis, script)
  const byHttp = posterOf(ours.server.port)
  const byOld = old === null ? null : await isTaken(posterOf(old.server.port))
  const many = batch === 1 ? 'of one event' : `of an array of ${batch}`
  const subject = settings => publishSubject({ batch, operations, ...ours, ...settings })
  return [
    subject({
      name: batch === 1 ? 'the script, one at a time' : `the script, ${batch} in a pipeline`,
      publish: async () => { await byScript(TOPIC, batch) },
      control: 'the script'
    }),
    subject({ name: `a bare POST ${many}`, publish: posterOf(bare.ready.port), bare, control: 'bare POST' }),
    subject({
      name: `POST /v1/publish ${many}`, publish: byHttp, targetRatios: batch === 1 ? { 'the script': 1.3 } : { 'the script': 1.5 }
    }),
    ...(byOld === null ? [] : [publishSubject({ batch, operations, ...old, name: `before: POST ${many}`, publish: byOld, control: 'before' })])
  ]
}

/** The poster, if the server takes what it posts: an old one may know no arrays. */
async function isTaken (post) {
  return await post().then(() => post, () => null)
}

/** A subject of `runRounds` whose operation is one event, until it is delivered and all is quiet. */
function publishSubject ({ name, publish, batch, operations, redis, server, load, bare, ...more }) {
  const drive = async (count) => {
    const { frames } = await load.ask({ op: 'mark' })
    const times = Math.ceil(count / batch)
    for (let done = 0; done < times; done++) await publish()
    await load.ask({ op: 'until', count: frames + times * batch })
    await untilQuiet([server.pid, redis.pid, ...(bare === undefined ? [] : [bare.pid])])
    return times * batch
  }
  const read = () => ({ gateway: server.cpuUs(), Redis: redis.cpuUs(), bare: bare?.cpuUs() ?? 0 })
  const measure = async () => {
    const start = read()
    const events = await drive(operations)
    const end = read()
    const [gateway, ofRedis, ofBare] = ['gateway', 'Redis', 'bare'].map(key => (end[key] - start[key]) / events)
    return { value: gateway + ofRedis + ofBare, extra: { 'gateway µs': gateway, 'Redis µs': ofRedis, ...(bare === undefined ? {} : { 'bare µs': ofBare }) } }
  }
  return { name, measure, warmUp: async () => { await drive(WARM_UP[batch] * batch) }, ...more }
}
