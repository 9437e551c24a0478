import { Redis } from '#ioredis'
import t, { type Test } from 'tap'
import { startRedis, type TestRedis } from '../support/redis.js'
import { MASTER, startSentinels, type TestSentinels } from '../support/sentinel.js'
import { until } from '../support/until.js'
import { answerOf, comeBack, epochOf, faultsOf, offsetOf, range, setUp, type Bench } from './bench.js'

const PASSWORD = 'password-of-the-sentinels'
const TOPIC = 'agent:a1'
const HEAD = `ws:history:{ws:topic:${TOPIC}}`

interface Stage extends Bench {
  readonly master: TestRedis
  readonly replica: TestRedis
  readonly sentinels: TestSentinels
}

const isFollowing = async ({ client }: TestRedis): Promise<boolean> => (await client.info('replication')).includes('master_link_status:up')

async function setStage (t: Test): Promise<Stage> {
  const [master, replica] = await Promise.all([startRedis(t), startRedis(t)])
  await replica.client.replicaof('127.0.0.1', master.port)
  await until('the replica follows', async () => await isFollowing(replica))
  const sentinels = await startSentinels(t, master.port, PASSWORD)
  // A back end that asks the Sentinels as the gateway does, and for as long as it takes.
  const redis = new Redis({
    sentinels: sentinels.addresses.map(address => ({ host: '127.0.0.1', port: Number(address.split(':')[1]) })),
    name: MASTER,
    sentinelPassword: PASSWORD,
    maxRetriesPerRequest: null,
    retryStrategy: () => 50,
    sentinelRetryStrategy: () => 50
  })
  redis.on('error', () => { /* the master is away for a while */ })
  t.teardown(() => { redis.disconnect() })
  const bench = await setUp(t, redis, {
    REDIS_SENTINELS: sentinels.addresses.join(), REDIS_SENTINEL_MASTER: MASTER, REDIS_SENTINEL_PASSWORD: PASSWORD, REDIS_URL: 'redis://unasked.invalid'
  })
  return { ...bench, master, replica, sentinels }
}

async function untilSame (master: TestRedis, replica: TestRedis): Promise<void> {
  await until('the replica has what the master has', async () => {
    const [ours, theirs] = await Promise.all([master, replica].map(async ({ client }) => await client.getBuffer(HEAD)))
    return ours !== null && theirs !== null && ours !== undefined && theirs !== undefined && ours.equals(theirs)
  })
}

/** From now on what the master takes does not reach the replica, which does not notice that it is missing anything. */
async function cutReplication (master: TestRedis, replica: TestRedis): Promise<void> {
  await replica.client.config('SET', 'masterauth', 'not-the-password')
  await master.client.config('SET', 'requirepass', 'another-password')
  await master.client.call('CLIENT', 'KILL', 'TYPE', 'replica')
}

t.test('a fail-over that loses three events, while more are published than were lost', async (t) => {
  const { open, publish, master, replica, sentinels } = await setStage(t)
  const [staying, leaving] = [await open('agent_ids=a1'), await open('agent_ids=a1')]
  await publish(TOPIC, ...range(1, 4))
  await staying.until(4)
  await leaving.until(4)
  await untilSame(master, replica)
  await cutReplication(master, replica)
  const known = await replica.client.get(HEAD)
  const lost = await publish(TOPIC, 'lost 1', 'lost 2', 'lost 3')
  t.same(await leaving.until('lost 3'), ['lost 1', 'lost 2', 'lost 3'])
  t.equal(await replica.client.get(HEAD), known, 'the replica has heard nothing of them')
  const had = lost[2] ?? ''
  leaving.socket.terminate()
  await master.stop()
  await sentinels.untilMasterIs(replica.port)
  const after = await publish(TOPIC, ...range(11, 30))

  await t.test('who stayed is told a gap before the next event', async (t) => {
    await until('it is told of a gap', () => staying.waiting.some(({ type }) => type === 'gap'))
    await publish(TOPIC, 31)
    const told = await staying.until(31)
    t.same(told.slice(0, 3), ['lost 1', 'lost 2', 'lost 3'])
    t.match(told[3], /^gap agent:a1 /)
    t.same(told.slice(4), range(32 - (told.length - 4), 31), 'then each once, in order')
  })
  await t.test('who comes back is told that it is not recovered, though offsets have grown past its own', async (t) => {
    const back = await comeBack({ open }, TOPIC, had)
    const { pos, recovered } = answerOf(back.subscribed, TOPIC)
    t.equal(recovered, false)
    t.not(epochOf(pos), epochOf(had))
    t.ok(offsetOf(pos) > offsetOf(had), `${pos} is past ${had}`)
    await publish(TOPIC, 32)
    t.same(await back.until(32), [32], 'nothing of another numbering is replayed')
  })
  await t.test('from there on all is whole again', async (t) => {
    const back = await comeBack({ open }, TOPIC, after[5] ?? '')
    t.equal(answerOf(back.subscribed, TOPIC).recovered, true)
    t.same(await back.until(32), range(17, 32))
  })
})

t.test('a fail-over that loses nothing: every event arrives once, in order, or a gap is told', async (t) => {
  const { open, publish, publishUntilHeard, master, replica, sentinels } = await setStage(t)
  const staying = await open('agent_ids=a1')
  await publish(TOPIC, ...range(1, 4))
  await untilSame(master, replica)
  await sentinels.failOver()
  await sentinels.untilMasterIs(replica.port)
  await publish(TOPIC, ...range(5, 9))
  const last = await publishUntilHeard(TOPIC, 10, staying)
  const told = await staying.until(last)
  t.same(faultsOf(told, 1), [])
  t.ok(told.filter(one => typeof one !== 'number').length <= 1, 'one gap at most')
})
