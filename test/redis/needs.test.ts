import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { Redis } from '#ioredis'
import { findDenied } from '../../src/redis/find-denied.js'
import { patternOf, PLAIN_COMMANDS, redisNeeds } from '../../src/redis/needs.js'
import { readGuideFile } from '../docs/guide-commands.js'
import { startRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'

const NEEDS = redisNeeds({ prefix: '', limitPrefix: '', isCluster: false, addressWindow: 'times', messageWindow: 'times' })
const OTHERS = redisNeeds({ prefix: '', limitPrefix: '', isCluster: true, addressWindow: 'counters', messageWindow: 'counters' })
const needed = new Set([...NEEDS, ...OTHERS].flatMap(({ commands }) => commands))
/** What the client library asks of a cluster, and says of itself. */
const OF_LIBRARY = ['client|setname', 'cluster|slots', 'cluster|shards', 'cluster|nodes', 'cluster|info']

t.test('the table has each command of each script, and scripts or drivers use each of the table', async (t) => {
  const src = new URL('src/', PROJECT)
  const scripts = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.lua') && !file.endsWith('find-denied.lua'))
  const called = new Set(scripts.flatMap(file =>
    [...readFileSync(new URL(file, src), 'utf8').matchAll(/redis\.p?call\('([A-Z]+)'|start_anew\(key, [a-z']+, '([A-Z]+)'/g)].map(([, name, other]) => String(name ?? other).toLowerCase())))
  t.ok(called.size > 20)
  t.same([...called].filter(command => !needed.has(command) && !(PLAIN_COMMANDS as readonly string[]).includes(command)), [])
  const byDrivers = ['get', 'getdel', 'srem', 'sscan', 'eval', 'evalsha', 'subscribe', 'publish', 'ssubscribe', 'spublish', 'ping', 'unsubscribe', 'sunsubscribe']
  t.same([...needed].filter(command => !called.has(command) && !byDrivers.includes(command)), [])
})

t.test('the guide\'s user may do all of the table, and nothing beside it', async (t) => {
  const rules = readGuideFile('redis-users.acl').split('\n').find(line => line.startsWith('user portcullis '))?.split(' ') ?? []
  const granted = rules.filter(rule => rule.startsWith('+')).map(rule => rule.slice(1))
  t.same(granted.toSorted(), [...new Set([...needed, ...PLAIN_COMMANDS, ...OF_LIBRARY])].toSorted())
})

t.test('Redis says what a user is denied of the table: each right that is taken away, by itself', async (t) => {
  const redis = await startRedis(t)
  const allow = async (...rules: string[]): Promise<void> => { await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...rules) }
  await allow('~*', '&*', '+@all')
  const user = new Redis(redis.url.replace('//', '//gate:pass@'))
  t.teardown(() => { user.disconnect() })
  const denied = async (): Promise<string[] | null> => (await findDenied(user, NEEDS))?.map(({ command, need }) => `${command} ${need.pattern}`).toSorted() ?? null
  t.same(await denied(), [])

  const wrong: unknown[] = []
  // Without EVAL nothing can be asked.
  for (const command of [...needed].filter(name => !name.startsWith('eval'))) {
    await allow('~*', '&*', '+@all', `-${command}`)
    const expected = NEEDS.filter(({ commands }) => commands.includes(command)).map(({ pattern }) => `${command} ${pattern}`).toSorted()
    const found = await denied()
    if (JSON.stringify(found) !== JSON.stringify(expected)) wrong.push({ command, found })
  }
  t.same(wrong, [], 'commands')

  for (const need of NEEDS.filter(({ on }) => on !== 'server')) {
    const others = NEEDS.filter(other => other !== need && other.on === need.on).map(({ pattern }) => `${need.on === 'key' ? '~' : '&'}${pattern}`)
    await allow('+@all', need.on === 'key' ? '&*' : '~*', ...others)
    const found = await denied()
    if (!need.commands.every(command => found?.includes(`${command} ${need.pattern}`))) wrong.push({ pattern: need.pattern, found })
  }
  t.same(wrong, [], 'keys and channels')
  t.same(await redis.client.keys('*'), [], 'nothing was done')
})

t.test('a command that this Redis has under no such name is denied too', async (t) => {
  const redis = await startRedis(t, { args: ['--rename-command', 'ZCOUNT', 'gate-zcount', '--rename-command', 'SSUBSCRIBE', 'gate-ssubscribe'] })
  const denied = await findDenied(redis.client, OTHERS.concat(NEEDS))
  t.same([...new Set(denied?.map(({ command }) => command))].toSorted(), ['ssubscribe', 'zcount'])
})

t.test('a key or channel is named by its pattern, which holds no id; what is not ours has none', async (t) => {
  const names = ['ws:ratelimit:user:alice', 'ws:ratelimit:ip:2001:db8::/64', 'ws:resume:{ws:ratelimit:ip:192.0.2.1}:n', '{ws:node:n-1}:claimed', 'ws:bans', 'ws:topic:agent:a1', 'ws:history:{ws:topic:agent:a1}:events:e:1', 'session:1', 'ws:other']
  t.same(names.map(name => patternOf(name, NEEDS)), [
    'ws:ratelimit:user:*', 'ws:ratelimit:ip:*', 'ws:resume:{ws:ratelimit:ip:*}:*', '{ws:node:*}:claimed', 'ws:bans', 'ws:topic:agent:*', 'ws:history:*', null, null
  ])
  const dryRun = redisNeeds({ prefix: 'p:', limitPrefix: 'p:dry-run:', isCluster: false, addressWindow: 'times', messageWindow: 'times' })
  t.same(dryRun.filter(({ decides }) => decides.length > 0).map(({ pattern }) => pattern), ['', 'p:dry-run:ws:ratelimit:ip:*', 'p:dry-run:ws:ratelimit:user:*', 'p:ws:node:*'])
})
