import t from 'tap'
import { trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { startRedis, startRedisCluster } from '../support/redis.js'
import { runBuiltCheck, runCheck } from './run-cli.js'
import { until } from '../support/until.js'

const issuer = await startIssuer(t)
const checkWith = async (env: Readonly<Record<string, string>>) => await runCheck({ ...trust(issuer), ...env })

t.test('a Redis that does all is well, and is left as it was', async (t) => {
  const redis = await startRedis(t)
  const { code, find } = await runBuiltCheck({ ...trust(issuer), REDIS_URL: redis.url })
  t.equal(code, 0)
  t.match(find('redis', 'latency')?.reason, /^latency: \d+\.\d ms \(median of 5\)/)
  t.same(await offenders(['version', 'memory', 'scripts', 'channels', 'rights'], start => find('redis', start)?.verdict === 'ok'), [])
  t.same(await redis.client.keys('*'), [])
})

t.test('a password that is missing or wrong is told, and never shown', async (t) => {
  const redis = await startRedis(t)
  await redis.client.config('SET', 'requirepass', 'password-of-the-test')
  for (const url of [redis.url, redis.url.replace('//', '//:not-the-password@')]) {
    const { code, find, output } = await checkWith({ REDIS_URL: url })
    t.equal(code, 1)
    t.match(find('redis'), { verdict: 'fail', reason: 'denies access' })
    t.notMatch(output, 'password-of')
    t.notMatch(output, 'not-the-password')
  }
  const { code, output } = await checkWith({ REDIS_URL: redis.url.replace('//', '//:password-of-the-test@') })
  t.equal(code, 0)
  t.notMatch(output, 'password-of-the-test')
})

t.test('what a user\'s rights lack is told apart', async (t) => {
  const redis = await startRedis(t)
  const { client } = redis
  const url = redis.url.replace('//', '//gate:pass@')
  const allow = async (...rules: string[]): Promise<void> => { await client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...rules) }
  await allow('~gate:ws:*', '~{gate:ws:*', '&gate:ws:*', '+@all')
  const env = { REDIS_URL: url, REDIS_KEY_PREFIX: 'gate:' }
  t.equal((await checkWith(env)).code, 0)
  const other = await checkWith({ REDIS_URL: url })
  t.equal(other.code, 1, 'another prefix')
  t.match(other.find('redis', 'scripts'), { verdict: 'fail', reason: 'denies access' })
  await allow('~gate:ws:*', '~{gate:ws:*', '+@all')
  const silent = await checkWith(env)
  t.match(silent.find('redis', 'channels'), { verdict: 'fail', reason: 'the channels gate:ws:*' })
  t.equal(silent.find('redis', 'scripts')?.verdict, 'ok')
  await allow('~gate:ws:*', '~{gate:ws:*', '&gate:ws:*', '+@all', '-eval', '-evalsha')
  t.equal((await checkWith(env)).find('redis', 'scripts')?.verdict, 'fail')
  await allow('~gate:ws:*', '~{gate:ws:*', '&gate:ws:*', '+@all', '-info')
  t.match((await checkWith(env)).find('redis', 'INFO'), { verdict: 'warn' })
})

t.test('each right that is missing is named, by command and by key or channel, though nothing needed it yet', async (t) => {
  const redis = await startRedis(t)
  const env = { REDIS_URL: redis.url.replace('//', '//gate:pass@') }
  const reasonsWith = async (...rules: string[]): Promise<string[]> => {
    await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...rules)
    return (await checkWith(env)).checks.filter(({ part, verdict }) => part === 'redis' && verdict === 'fail').map(({ reason }) => reason)
  }
  t.same(await reasonsWith('~ws:*', '~{ws:*', '&ws:*', '+@all', '-xadd'), ['rights: the user may not XADD on the key ws:inbound'])
  t.same(await reasonsWith('~ws:*', '~{ws:*', '&ws:topic:*', '+@all'), [
    'rights: the user may not SUBSCRIBE, PUBLISH on the channel ws:control',
    'rights: the user may not SUBSCRIBE, PUBLISH on the channel ws:control:ask',
    'rights: the user may not SUBSCRIBE, PUBLISH on the channel ws:control:answer:*'
  ])
  t.match(await reasonsWith('~ws:*', '~{ws:*', '&ws:*', '+@all', '-ping', '-unsubscribe'), ['rights: the user may not PING, UNSUBSCRIBE'])
  t.match((await reasonsWith('~ws:*', '~{ws:*', '&ws:*', '+@all', '-time')).filter(reason => reason.startsWith('rights')), ['rights: the user may not TIME'])
  t.match(await reasonsWith('~ws:*', '&ws:*', '+@all'), [/^rights: the user may not .*SADD.* on the key \{ws:node:\*\}:claimed$/])
  t.same(await redis.client.keys('*'), [], 'nothing is left')
})

t.test('memory that evicts is warned about; a replica cannot be used', async (t) => {
  const [redis, replica] = await Promise.all([startRedis(t), startRedis(t)])
  await redis.client.config('SET', 'maxmemory', '64mb', 'maxmemory-policy', 'allkeys-lru')
  const evicting = await checkWith({ REDIS_URL: redis.url })
  t.match(evicting.find('redis', 'memory'), { verdict: 'warn', reason: 'maxmemory-policy is allkeys-lru' })
  t.equal(evicting.code, 0)
  await redis.client.config('SET', 'maxmemory-policy', 'noeviction')
  t.match((await checkWith({ REDIS_URL: redis.url })).find('redis', 'memory'), { verdict: 'ok', reason: 'bounded' })
  await replica.client.replicaof('127.0.0.1', redis.port)
  const { code, find } = await checkWith({ REDIS_URL: replica.url })
  t.equal(code, 1)
  t.equal(find('redis', 'role')?.verdict, 'fail')
  t.match(find('redis', 'scripts'), { verdict: 'fail', reason: 'replica' })
})

t.test('a Redis that is away or hangs is told within seconds', async (t) => {
  const redis = await startRedis(t)
  redis.pause()
  const hanging = await checkWith({ REDIS_URL: redis.url })
  t.match(hanging.checks.filter(({ part }) => part === 'redis'), [{ verdict: 'fail' }])
  t.equal(hanging.code, 1)
  redis.resume()
  await redis.stop()
  const away = await runBuiltCheck({ ...trust(issuer), REDIS_URL: redis.url })
  t.match(away.find('redis'), { verdict: 'fail', reason: 'cannot be reached' })
  t.equal(away.code, 1)
})

t.test('a cluster: each node is looked at; one of them alone, or a part of the slots, is not enough', async (t) => {
  const cluster = await startRedisCluster(t)
  const { code, checks, find } = await checkWith({ REDIS_CLUSTER_URLS: cluster.urls.join(',') })
  t.equal(code, 0)
  t.same(await offenders(cluster.nodes, node => checks.find(({ part, reason }) => part === `redis 127.0.0.1:${node.port}` && reason.startsWith('version'))?.verdict === 'ok'), [])
  t.match(find('redis', 'cluster'), { verdict: 'ok', reason: 'by 3 nodes' })
  t.same(await offenders(['scripts', 'channels', 'rights'], start => find('redis', start)?.verdict === 'ok'), [])
  const alone = await checkWith({ REDIS_URL: cluster.urls[0] ?? '' })
  t.equal(alone.code, 1)
  t.match(alone.find('redis', 'mode'), { verdict: 'fail', reason: 'REDIS_CLUSTER_URLS instead of REDIS_URL' })
  // On each node, as each has its own view of the slots, and the check may ask any.
  for (const { client } of cluster.nodes) {
    await client.call('CLUSTER', 'DELSLOTSRANGE', '0', '5000')
    await until('the node knows', async () => String(await client.call('CLUSTER', 'INFO')).includes('cluster_state:fail'))
  }
  const partial = await checkWith({ REDIS_CLUSTER_URLS: cluster.urls[0] ?? '' })
  t.equal(partial.code, 1)
})
