import t, { type Test } from 'tap'
import { connect, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { countLines, readMetric } from '../support/held-sockets.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { until } from '../support/until.js'

// A Redis that is there, and lets this user do only a part.
const KEYS = ['~ws:*', '~{ws:*']
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'

interface Stage {
  readonly redis: TestRedis
  readonly issuer: TestIssuer
  readonly gateway: TestGateway
  allow (...rules: string[]): Promise<void>
  open (t: Test, path?: string): Promise<TestClient>
}

async function setStage (t: Test, rules: readonly string[], settings: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const allow = async (...given: string[]): Promise<void> => { await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...given) }
  await allow(...rules)
  const gateway = await startGateway(t, { ...trust(issuer), ...settings, REDIS_URL: redis.url.replace('//', '//gate:pass@') })
  let users = 0
  return {
    redis,
    issuer,
    gateway,
    allow,
    async open (t, path = '/ws') {
      const token = issuer.sign({ sub: `user-${++users}`, agents: ['a1', 'a2'], scope: 'ws:send' })
      const client = await connect(t, gateway, path, { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
      await client.nextOf('welcome')
      return client
    }
  }
}

const denialOf = ({ gateway }: Stage, command: string) => gateway.log.find(line => line.event === 'redis.denied' && line['command'] === command)
const unready = async ({ gateway }: Stage): Promise<unknown> => (await (await gateway.admin('/readyz')).json() as { reasons: unknown }).reasons

t.test('no right to any channel: not ready for that reason, told in the log and counted, and every frame is answered', async (t) => {
  const stage = await setStage(t, [...KEYS, 'resetchannels', '+@all'])
  const { gateway } = stage
  t.same([(await gateway.admin('/readyz')).status, await unready(stage)], [503, ['control_channel']])
  t.match(denialOf(stage, 'subscribe'), {
    level: 'error',
    names: ['ws:topic:node:*', 'ws:control', 'ws:control:ask', 'ws:control:answer:*', 'ws:topic:agent:*', 'ws:topic:task:*', 'ws:topic:user:*']
  })
  await until('it is counted', async () => await readMetric(gateway, 'portcullis_redis_denied_total{command="subscribe"}') !== 0)

  const client = await stage.open(t, '/ws?agent_ids=a1')
  t.match(await client.next(), { type: 'error', error: 'unavailable' }, 'for the filters of the URL')
  const frames = [
    [{ type: 'subscribe', id: '1', agent_ids: ['a2'] }, { type: 'error', id: '1', error: 'unavailable' }],
    [{ type: 'send', id: '2', to: 'agent:a1', data: 1 }, { type: 'sent', id: '2' }],
    [{ type: 'unsubscribe', id: '3', agent_ids: ['a2'] }, { type: 'unsubscribed', id: '3' }],
    [{ type: 'ping', id: '4' }, { type: 'pong', id: '4' }]
  ] as const
  for (const [frame, answer] of frames) {
    client.send(frame)
    t.match(await client.next(), answer)
  }
  t.equal(countLines(gateway, 'limits.degraded'), 0, 'Redis is not away')

  await stage.allow(...KEYS, '&ws:*', '+@all')
  t.match(await client.nextOf('subscribed'), { agent_ids: ['a1'] }, 'once the rights are mended, without a restart')
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
})

t.test('one kind of channel is denied: the others are heard, also where one command asks for both', async (t) => {
  const stage = await setStage(t, [...KEYS, 'resetchannels', '&ws:control*', '&ws:topic:agent:*', '+@all'])
  await until('it is ready', async () => (await stage.gateway.admin('/readyz')).status === 200)
  const client = await stage.open(t, '/ws?agent_ids=a1')
  t.match(await client.nextOf('subscribed'), { agent_ids: ['a1'] })
  await stage.redis.client.publish('ws:topic:agent:a1', JSON.stringify({ event: 'e', data: 1 }))
  t.match(await client.nextOf('event'), { topic: 'agent:a1' })
  t.match(denialOf(stage, 'subscribe'), { names: ['ws:topic:node:*', 'ws:topic:task:*', 'ws:topic:user:*'] })
})

t.test('the process\'s own channel is denied: users are heard on theirs, once', async (t) => {
  const rules = [...KEYS, 'resetchannels', '&ws:control*', '&ws:topic:agent:*', '&ws:topic:user:*', '+@all']
  const stage = await setStage(t, rules, { PUBLISH_KEY })
  await until('it is ready', async () => (await stage.gateway.admin('/readyz')).status === 200)
  const client = await stage.open(t)
  await until('she is heard', async () => (await stage.redis.client.pubsub('CHANNELS', 'ws:topic:user:user-1')).length === 1)
  for (const data of [1, 2]) {
    const body = JSON.stringify({ topic: 'user:user-1', event: 'e', data })
    const { status } = await stage.gateway.admin('/v1/publish', { method: 'POST', headers: { 'X-Publish-Key': PUBLISH_KEY }, body })
    t.equal(status, 202)
    t.match(await client.next(), { type: 'event', topic: 'user:user-1', data })
  }
})

t.test('single commands: what needs them is refused and named, and all else works', async (t) => {
  const stage = await setStage(t, [...KEYS, '&*', '+@all', '-xadd', '-hset'])
  const { gateway } = stage
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)

  await t.test('the stream and the records', async (t) => {
    const client = await stage.open(t, '/ws?agent_ids=a1')
    await client.nextOf('subscribed')
    client.send({ type: 'send', id: '1', to: 'agent:a1', data: 1 })
    t.match(await client.next(), { type: 'error', id: '1', error: 'unavailable' })
    t.match(denialOf(stage, 'xadd'), { names: ['ws:inbound'] })
    t.match(denialOf(stage, 'hset'), { names: ['ws:strikes:*', 'ws:node:*'] })
    await until('it is counted', async () => await readMetric(gateway, 'portcullis_redis_denied_total{command="xadd"}') === 1)
  })

  await t.test('the right to count, lost while it runs: nobody is let in, the process is not ready, and says why', async (t) => {
    await stage.allow(...KEYS, '&*', '+@all', '-zadd')
    t.match(await stage.open(t).catch((error: unknown) => String(error)), 'refused: 503')
    t.match(await gateway.waitForLog('connection.refused'), { reason: 'unavailable', detail: 'limits' })
    const { names } = await gateway.waitForLog('redis.denied', line => line['command'] === 'zadd')
    t.ok((names as string[]).includes('ws:ratelimit:user:*'))
    t.same(await unready(stage), ['redis_rights'])
    await stage.allow(...KEYS, '&*', '+@all')
    await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
    await stage.open(t)
  })
  t.equal(countLines(gateway, 'limits.degraded'), 0)
})

t.test('each right by itself: without what letting in takes nobody gets in and the process is not ready; without others it is', async (t) => {
  const stage = await setStage(t, [...KEYS, '&*', '+@all'])
  const { gateway } = stage
  const isReady = async (): Promise<boolean> => (await gateway.admin('/readyz')).status === 200
  for (const command of ['evalsha', 'time', 'lindex', 'rpush', 'pexpire', 'zremrangebyscore', 'zcard', 'zadd']) {
    await stage.allow(...KEYS, '&*', '+@all', `-${command}`)
    t.match(await stage.open(t).then(() => 'in', (error: unknown) => String(error)), 'refused: 503', command)
    await until(`not ready without ${command}`, async () => !await isReady())
    await until(`${command} is told`, () => denialOf(stage, command) !== undefined)
    await stage.allow(...KEYS, '&*', '+@all')
    await until('ready again', isReady)
  }
  for (const command of ['eval', 'ping', 'unsubscribe', 'type', 'del', 'zscore', 'zrangebyscore']) {
    await stage.allow(...KEYS, '&*', '+@all', `-${command}`)
    // Another denial has the rights looked at again.
    await stage.redis.client.call('ACL', 'SETUSER', 'gate', '-xadd')
    const client = await stage.open(t, '/ws?agent_ids=a1')
    await client.nextOf('subscribed')
    client.send({ type: 'send', id: '1', to: 'agent:a1', data: 1 })
    t.match(await client.nextOf('error'), { id: '1' })
    await until(`${command} is told`, () => denialOf(stage, command) !== undefined)
    t.ok(await isReady(), command)
  }
  for (const keys of [['~ws:bans', '~ws:revocations', '~{ws:*'], ['~ws:ratelimit:*', '~ws:bans', '~ws:revocations', '~{ws:*']]) {
    await stage.allow(...keys, '&*', '+@all')
    t.match(await stage.open(t).then(() => 'in', (error: unknown) => String(error)), 'refused: 503', keys.join())
    await until(`not ready with ${keys.join()} alone`, async () => !await isReady())
    t.same(await unready(stage), ['redis_rights'])
    await stage.allow(...KEYS, '&*', '+@all')
    await until('ready again', isReady)
  }
  t.same(gateway.log.filter(({ event }) => ['limits.degraded', 'bus.lost', 'redis.renewed'].includes(event)), [])
})

t.test('a wrong password has its own name in the log', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  await redis.client.config('SET', 'requirepass', 'password-of-the-test')
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url.replace('//', '//:not-the-password@') })
  t.match(await gateway.waitForLog('limits.degraded'), { reason: 'unauthenticated' })
  t.match(await (await gateway.admin('/readyz')).json(), { reasons: ['redis', 'control_channel'] })
  t.notMatch(gateway.stdout() + gateway.stderr(), 'not-the-password')
})

t.test('a gateway to which nobody comes says in one line that its user of Redis is gone, whatever became of it, and that it is back', async (t) => {
  const { redis, gateway, allow } = await setStage(t, [...KEYS, '&*', '+@all'], { WS_USER_LEASE_S: '2' })
  const degraded = (): number => countLines(gateway, 'limits.degraded')
  const end = async (rules: readonly string[]): Promise<void> => {
    await redis.client.call('ACL', 'SETUSER', 'gate', ...rules)
    await redis.client.call('CLIENT', 'KILL', 'USER', 'gate')
  }
  const goings: ReadonlyArray<readonly [string, () => Promise<unknown>]> = [
    ['deleted', async () => await redis.client.call('ACL', 'DELUSER', 'gate')],
    ['off', async () => await end(['off'])],
    ['with another password', async () => await end(['reset', 'on', ...KEYS, '&*', '+@all', '>other'])]
  ]
  for (const [n, [what, go]] of goings.entries()) {
    await go()
    await until(`${what}: it is told`, () => degraded() > n)
    t.match(gateway.log.filter(({ event }) => event === 'limits.degraded').at(-1), { level: 'error', reason: 'unauthenticated' }, what)
    t.equal(await readMetric(gateway, 'portcullis_redis_up'), 0)
    t.equal((await gateway.admin('/readyz')).status, 200, 'the policy `local` lets attempts in')
    await allow(...KEYS, '&*', '+@all')
    await until(`${what}: it is restored`, () => countLines(gateway, 'limits.restored') > n)
    t.equal(degraded(), n + 1, 'one line')
  }
})
