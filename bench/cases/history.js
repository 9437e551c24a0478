import { createPublishing, loadScript } from '../load/publish-by-redis.js'
import { untilQuiet } from '../measure/cpu.js'
import { burstSubject, BURSTS, subscribeToGateway } from '../measure/delivery-subject.js'
import { runRounds } from '../measure/rounds.js'
import { startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'what positions and history cost: Redis CPU per publication, server CPU per delivery'
const UNIT = 'µs'
const TOPICS = { agent: 'agent:a1', user: 'user:u1' }
const OPERATIONS = 4800
const PUBLISHES = 160
const PIPELINE = 16

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
    ...await listDeliveries(scope, { script, before, measureAll, operations: operations ?? PUBLISHES })
  ]
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
