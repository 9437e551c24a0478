import { randomBytes } from 'node:crypto'
import { readPublishScript } from '../../dist/cli/publish-script.js'
import { untilQuiet } from '../measure/cpu.js'
import { burstSubject, BURSTS, subscribeToGateway } from '../measure/delivery-subject.js'
import { runRounds } from '../measure/rounds.js'
import { startLoad } from '../load/start-load.js'
import { startGateway } from '../servers/gateway.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'what positions and history cost: Redis CPU per publication, the gateway’s and Redis’s by HTTP, server CPU per delivery'
const UNIT = 'µs'
const TOPICS = { agent: 'agent:a1', user: 'user:u1' }
/** 218 bytes as they are published. */
const DATA = JSON.stringify({ text: 'x'.repeat(100) })
const EVENT = 'message'
const OPERATIONS = 4800
const HTTP_OPERATIONS = 1600
const PUBLISHES = 160
const PIPELINE = 16
const KEY = randomBytes(24).toString('hex')

export async function run (scope, { rounds, operations, progress, before }) {
  const settings = { rounds, unit: UNIT, progress }
  const measureAll = async (subjects) => {
    for (const { name, warmUp } of subjects) {
      progress(`warming up: ${name}`)
      await warmUp()
    }
    return await runRounds(subjects, settings)
  }
  const script = loadScript()
  return [
    ...await measureAll(await listPublications(scope, script, 1, operations ?? OPERATIONS)),
    ...await measureAll(await listPublications(scope, script, PIPELINE, operations ?? OPERATIONS)),
    ...await measureAll(await listRequests(scope, script, 1, operations ?? HTTP_OPERATIONS)),
    ...await measureAll(await listRequests(scope, script, PIPELINE, operations ?? HTTP_OPERATIONS)),
    ...await listDeliveries(scope, { script, before, measureAll, operations: operations ?? PUBLISHES })
  ]
}

function loadScript () {
  const answer = readPublishScript({})
  if (!answer.ok) throw new Error(answer.reason)
  return answer.text
}

/** What publishes to a topic in a pipeline of `count`: by PUBLISH, or by the script, loaded once. */
async function createPublishing (redis, script) {
  const sha = await redis.client.script('LOAD', script)
  let ids = 0
  return {
    byPublish: async (topic, count) => {
      const pipeline = redis.client.pipeline()
      const message = JSON.stringify({ event: EVENT, data: JSON.parse(DATA), pad: 'x'.repeat(90) })
      for (let n = 0; n < count; n++) pipeline.publish(`ws:topic:${topic}`, message)
      await execute(pipeline)
    },
    byScript: async (topic, count, { hasId = false, data = DATA } = {}) => {
      const pipeline = redis.client.pipeline()
      for (let n = 0; n < count; n++) pipeline.evalsha(sha, 1, `ws:history:{ws:topic:${topic}}`, EVENT, data, hasId ? `bench-${ids++}` : '')
      await execute(pipeline)
    }
  }
}

async function execute (pipeline) {
  for (const [error] of await pipeline.exec()) if (error !== null) throw error
}

/** Redis's CPU per publication: that nobody hears, and that one process does. */
async function listPublications (scope, script, batch, operations) {
  const redis = await startRedis(scope)
  const { byPublish, byScript } = await createPublishing(redis, script)
  const listener = redis.client.duplicate()
  scope.onEnd(() => { listener.disconnect() })
  await listener.subscribe('ws:topic:task:heard')
  const subject = (name, publish, more) => {
    const drive = async (count) => {
      for (let done = 0; done < count; done += batch) await publish(batch)
      await untilQuiet([redis.pid])
    }
    const measure = async () => {
      const before = redis.cpuUs()
      await drive(operations)
      return { value: (redis.cpuUs() - before) / operations }
    }
    return { name: `${name}, ${batch === 1 ? 'one at a time' : `${batch} in a pipeline`}`, measure, warmUp: async () => { await drive(operations) }, ...more }
  }
  const alone = batch === 1
  const target = alone ? { targetRatios: { 'PUBLISH, one listens': 2 } } : { targetMax: 25 }
  return [
    subject('PUBLISH, nobody listens', async n => { await byPublish(TOPICS.agent, n) }, { control: 'PUBLISH, nobody listens' }),
    subject('PUBLISH, one process listens', async n => { await byPublish('task:heard', n) }, { control: 'PUBLISH, one listens' }),
    subject('publish-event, nobody listens', async n => { await byScript(TOPICS.agent, n) }, alone ? { targetRatios: { 'PUBLISH, nobody listens': 2 } } : target),
    subject('publish-event, one process listens', async n => { await byScript('task:heard', n) }, target),
    subject('publish-event with an id, nobody listens', async n => { await byScript('agent:ids', n, { hasId: true }) }),
    subject('publish-event of a user’s topic, nobody listens', async n => { await byScript(TOPICS.user, n) })
  ]
}

/** CPU of the gateway and of Redis together per event, published by Redis and by HTTP, to one connection that hears it. */
async function listRequests (scope, script, batch, operations) {
  const issuer = await startIssuer(scope)
  const redis = await startRedis(scope)
  const server = await startGateway(scope, { issuer, redis, env: { PUBLISH_KEY: KEY } })
  const load = await startLoad(scope, 'connections')
  const target = `/ws?agent_ids=a1&token=${issuer.token({ agents: ['a1'] })}`
  await load.ask({ op: 'connect', port: server.port, targets: [target], count: 1, firstAddress: 0, greeting: { frames: 2 } })
  const { byScript } = await createPublishing(redis, script)
  const entry = { topic: TOPICS.agent, event: EVENT, data: JSON.parse(DATA) }
  const body = JSON.stringify(batch === 1 ? entry : Array.from({ length: batch }, () => entry))
  const byHttp = async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/v1/publish`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-Publish-Key': KEY }, body
    })
    const answer = await response.text()
    if (response.status !== 202) throw new Error(`not published: ${response.status} ${answer}`)
  }
  const subject = (name, publish, more) => {
    const drive = async (count) => {
      const { frames } = await load.ask({ op: 'mark' })
      for (let done = 0; done < count; done += batch) await publish()
      await load.ask({ op: 'until', count: frames + count })
      await untilQuiet([server.pid, redis.pid])
    }
    const measure = async () => {
      const [serverBefore, redisBefore] = [server.cpuUs(), redis.cpuUs()]
      await drive(operations)
      const [serverUs, redisUs] = [server.cpuUs() - serverBefore, redis.cpuUs() - redisBefore]
      return { value: (serverUs + redisUs) / operations, extra: { 'gateway µs': serverUs / operations, 'Redis µs': redisUs / operations } }
    }
    return { name, measure, warmUp: async () => { await drive(4 * operations) }, ...more }
  }
  return batch === 1
    ? [
        subject('the script, one at a time, to one connection', async () => { await byScript(TOPICS.agent, 1) }, { control: 'the script' }),
        subject('POST /v1/publish of one event', byHttp, { targetRatios: { 'the script': 1.3 } })
      ]
    : [
        subject(`the script, ${batch} in a pipeline, to one connection`, async () => { await byScript(TOPICS.agent, batch) }, { control: 'the script' }),
        subject(`POST /v1/publish of an array of ${batch}`, byHttp, { targetRatios: { 'the script': 1.5 } })
      ]
}

/** A delivery of 512 bytes with a position and without one; and, where there is another build, as that one delivers. */
async function listDeliveries (scope, { script, before, measureAll, operations }) {
  const issuer = await startIssuer(scope)
  const data = JSON.stringify('x'.repeat(512))
  const publishPlaced = async (redis) => {
    const { byScript } = await createPublishing(redis, script)
    return async (burst) => { await byScript(TOPICS.agent, burst, { data }) }
  }
  const servers = [
    { name: 'a delivery without a position', control: 'plain', ...await subscribeToGateway(scope, issuer) },
    {
      name: 'a delivery with a position',
      targetRatios: () => before === undefined ? { plain: 1.05 } : { before: 1.05 },
      ...await subscribeToGateway(scope, issuer, { makePublish: publishPlaced })
    },
    ...(before === undefined ? [] : [{ name: 'before: a delivery', control: 'before', ...await subscribeToGateway(scope, issuer, { root: before }) }])
  ]
  const rows = []
  for (const burst of BURSTS) rows.push(...await measureAll(servers.map(server => burstSubject(server, burst, operations))))
  return rows
}
