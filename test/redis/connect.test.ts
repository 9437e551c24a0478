import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { connectRedis, type RedisTarget } from '../../src/redis/connect.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'

t.test('it comes up, tells of each change, and comes back by itself', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  t.equal(connection.isUp(), false)
  t.equal(await connection.waitUntilUp(HANG_MS), true)
  t.equal(await connection.commands.ping(), 'PONG')
  const changes: boolean[] = []
  const stop = connection.onChange((up) => { changes.push(up) })
  await redis.stop()
  await until('it is down', () => !connection.isUp())
  await t.rejects(connection.commands.ping(), 'at once, and not kept for later')
  await redis.restart()
  t.equal(await connection.waitUntilUp(HANG_MS), true)
  t.same(changes, [false, true])
  stop()
  await connection.close()
  t.same(changes, [false, true], 'nobody is told any more')
})

t.test('a Redis that is not there neither throws nor ends the process', async (t) => {
  const server = createServer((socket) => { socket.destroy() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const connection = connectRedis({ url: `redis://127.0.0.1:${port}` })
  t.equal(await connection.waitUntilUp(300), false)
  await t.rejects(connection.commands.ping())
  await connection.close()
})

t.test('a command that a hanging Redis does not answer rejects in time, and closing does not wait for it', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: 100 })
  await connection.waitUntilUp(HANG_MS)
  redis.pause()
  await t.rejects(connection.commands.ping(), /timed out/)
  const startedAt = performance.now()
  await connection.close()
  t.ok(performance.now() - startedAt < HANG_MS)
})

t.test('a connection on which a hanging Redis is silent is given up, and made anew', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: 100 })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(HANG_MS)
  redis.pause()
  await t.rejects(connection.commands.ping(), /timed out/)
  await until('it is given up', () => !connection.isUp())
  redis.resume()
  t.equal(await connection.waitUntilUp(HANG_MS), true)
})

t.test('a command in flight when the connection breaks is rejected and not sent again', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url, commandTimeoutMs: 5000 })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(HANG_MS)
  redis.pause()
  const counted = connection.commands.incr('counted')
  counted.catch(() => {})
  await new Promise((resolve) => setImmediate(resolve))
  await redis.restart()
  await t.rejects(counted)
  t.equal(await connection.waitUntilUp(HANG_MS), true)
  t.equal(await connection.commands.get('counted'), null)
})

t.test('user, password and database come from the URL, which no error repeats', async (t) => {
  const redis = await startRedis(t)
  await redis.client.call('ACL', 'SETUSER', 'gate', 'on', '>p@ss/word', '~*', '+@all')
  const connection = connectRedis({ url: `redis://gate:p%40ss%2Fword@127.0.0.1:${redis.port}/2` })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  await connection.commands.set('here', '1')
  t.equal(await redis.client.exists('here'), 0)
  t.equal(await connection.commands.call('ACL', 'WHOAMI'), 'gate')
  for (const url of ['redis://:secret-word@[bad', 'http://secret-word@localhost', 'redis://:secret-word@localhost/db', '']) {
    try {
      connectRedis({ url })
      t.fail('it must throw')
    } catch (error) {
      t.notMatch(String(error) + JSON.stringify(error), /secret-word/)
    }
  }
})

t.test('a cluster serves every slot, survives the loss of a node without an error event, and is down when all are gone', async (t) => {
  const cluster = await startRedisCluster(t)
  const connection = connectRedis({ clusterUrls: cluster.urls.slice(0, 1) })
  t.teardown(async () => { await connection.close() })
  t.ok(await connection.waitUntilUp(HANG_MS))
  for (let i = 0; i < 30; i++) await connection.commands.set(`k${i}`, i)
  await cluster.stop()
  await t.rejects(connection.commands.set('k1', 'x'))
  await until('it is down', () => !connection.isUp())
  t.notOk(connection.isUp())
})

t.test('a server that the settings are wrong for is told once, names the setting, and counts as away', async (t) => {
  const [single, cluster] = await Promise.all([startRedis(t), startRedisCluster(t)])
  const mistakes: ReadonlyArray<readonly [RedisTarget, RegExp]> = [
    [{ url: cluster.urls[0] ?? '' }, /REDIS_CLUSTER_URLS instead of REDIS_URL/],
    [{ clusterUrls: [single.url] }, /REDIS_URL instead of REDIS_CLUSTER_URLS/],
    [{ sentinel: { sentinels: [{ host: '127.0.0.1', port: single.port }], master: 'main', password: null } }, /no Sentinel/]
  ]
  for (const [target, reason] of mistakes) {
    const told: string[] = []
    const connection = connectRedis({ ...target, onWrongRedis: (text) => { told.push(text) } })
    t.teardown(async () => { await connection.close() })
    await until('it is told', () => told.length > 0)
    t.match(told, [reason])
    t.match(connection.lastError(), { name: 'WrongRedis' })
    t.equal(connection.isUp(), false)
    connection.noteProbe(false)
    connection.noteProbe(false)
    t.equal(await connection.waitUntilUp(300), false)
    t.equal(told.length, 1)
  }
})

t.test('while a late answer is waited for, failed probes have no connection made anew', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  await connection.waitUntilUp(10_000)
  const changes: boolean[] = []
  connection.onChange((up) => { changes.push(up) })
  let isNeeded = true
  connection.keepWhile(() => isNeeded)
  for (let probes = 0; probes < 5; probes++) connection.noteProbe(false)
  t.equal(await connection.commands.ping(), 'PONG')
  t.same(changes, [])
  isNeeded = false
  connection.noteProbe(false)
  t.equal(await connection.commands.ping(), 'PONG', 'nor did the probes of that time count')
  connection.noteProbe(false)
  await until('it was made anew', () => changes.length > 0)
  t.equal(changes[0], false)
})

t.test('a connection that is left while it is being made comes back all the same', async (t) => {
  const redis = await startRedis(t)
  const connection = connectRedis({ url: redis.url })
  t.teardown(async () => { await connection.close() })
  // As a Sentinel has it done that tells of a fail-over at this moment.
  connection.commands.disconnect(true)
  await until('its library has given up', () => connection.commands.status === 'end')
  t.equal(await connection.waitUntilUp(HANG_MS), true)
})
