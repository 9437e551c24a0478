import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { Redis } from '#ioredis'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { loadPublishScript } from '../../src/history/publish-script.js'
import { classifyFailure } from '../../src/redis/failure.js'
import { patternOf, PLAIN_COMMANDS, redisNeeds } from '../../src/redis/needs.js'
import { startMonitor } from '../support/monitor.js'
import { offenders } from '../support/offenders.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { PROJECT } from '../support/root.js'
import { until } from '../support/until.js'
import { readDocument } from './documents.js'
import { readGuideFile, replaceAllOf, runGuide } from './guide-commands.js'

const SRC = fileURLToPath(new URL('src/', PROJECT))
const GUIDE = readDocument('guides/redis.md')
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const MANY = 200
/** Sizes differ a little between versions and allocators. */
const TOLERANCE = 0.25

/** A Redis with the guide's users; only the one for everything is left, for looking into it. */
async function startWithUsers (t: Test): Promise<{ redis: TestRedis, urlOf: (user: 'portcullis' | 'backend') => string }> {
  const file = join(t.testdir({}), 'users.acl')
  await writeFile(file, replaceAllOf(readGuideFile('redis-users.acl'), { 'user default off': 'user default on nopass ~* &* +@all' }))
  const redis = await startRedis(t, { args: ['--aclfile', file] })
  const passwords = { portcullis: 'change-me-gateway', backend: 'change-me-backend' }
  return { redis, urlOf: user => `redis://${user}:${passwords[user]}@127.0.0.1:${redis.port}` }
}

async function denials ({ client }: TestRedis): Promise<string[]> {
  const log = await client.call('ACL', 'LOG') as unknown[][]
  // Redis 7.2 knows CLIENT SETINFO, which drivers send and whose refusal they ignore; 7.0 would not read a file that names it.
  return log.filter(entry => entry[entry.indexOf('object') + 1] !== 'client|setinfo').map(entry => [entry[entry.indexOf('reason') + 1], entry[entry.indexOf('object') + 1], entry[entry.indexOf('username') + 1]].join(' '))
}

async function bytesOf ({ client }: TestRedis, key: string): Promise<number> {
  return Number(await client.call('MEMORY', 'USAGE', key, 'SAMPLES', '0'))
}

async function keyLike ({ client }: TestRedis, pattern: string): Promise<string> {
  let found = ''
  await until(`there is a key ${pattern}`, async () => {
    found = (await client.keys(pattern))[0] ?? ''
    return found !== ''
  })
  return found
}

interface Stage { readonly redis: TestRedis, readonly issuer: TestIssuer, readonly gateway: TestGateway }

const uuidOf = (n: number): string => `3f0c6f1e-8f43-4f0a-9d3b-${String(n).padStart(12, '0')}`
let users = 0
async function open (t: Test, { issuer, gateway }: Stage, { sub = uuidOf(++users), from = freshAddress(), pass = '' } = {}): Promise<TestClient> {
  const token = issuer.sign({ sub, agents: ['a1'], scope: 'ws:send' })
  const client = await connect(t, gateway, `/ws${pass === '' ? '' : `?resume=${pass}`}`, { from, headers: { authorization: `Bearer ${token}` } })
  await client.nextOf('welcome')
  return client
}

async function order ({ gateway }: Stage, method: string, path: string, body: unknown): Promise<void> {
  const response = await gateway.admin(path, { method, headers: { authorization: `Bearer ${ADMIN_TOKEN}` }, body: JSON.stringify(body) })
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`)
}

/** What the guide says of each kind: the bytes that one takes, on Redis 7 and on Redis 8. */
const SAID = new Map([...GUIDE.matchAll(/^\| `([^`]+)`.*\| (\d+) \| (\d+) \|$/gm)].map(([, key = '', on7, on8]) => [key, { on7: Number(on7), on8: Number(on8) }]))

async function isRedis8 ({ client }: TestRedis): Promise<boolean> {
  const [, major] = /^redis_version:(\d+)/m.exec(await client.info('server')) ?? []
  return Number(major) >= 8
}

/** Makes one of each kind by what clients and operators do, and measures it. */
const MEASURES: Readonly<Record<string, (t: Test, stage: Stage) => Promise<number>>> = {
  'ws:ratelimit:ip:<address>': async (t, { redis, gateway }) => {
    const from = freshAddress()
    for (let i = 0; i < 10; i++) await connectRefused(t, gateway, '/ws', { from })
    return await bytesOf(redis, `ws:ratelimit:ip:${from}`)
  },
  'ws:ratelimit:user:<user_id>': async (t, stage) => {
    const sub = uuidOf(++users)
    for (let i = 0; i < 5; i++) await open(t, stage, { sub })
    return await bytesOf(stage.redis, `ws:ratelimit:user:${sub}`)
  },
  'ws:ratelimit:msg:<address>': async (t, stage) => {
    const from = freshAddress()
    const client = await open(t, stage, { from })
    for (let i = 0; i < 100; i++) client.send({ type: 'ping', id: String(i) })
    for (let i = 0; i < 100; i++) await client.nextOf('pong')
    return await bytesOf(stage.redis, `ws:ratelimit:msg:${from}`)
  },
  'ws:node:<node>': async (t, stage) => {
    const key = await keyLike(stage.redis, 'ws:node:*')
    const [bytes, records] = [await bytesOf(stage.redis, key), await stage.redis.client.hlen(key)]
    for (let i = 0; i < MANY; i++) await open(t, stage)
    return Math.round((await bytesOf(stage.redis, key) - bytes) / (await stage.redis.client.hlen(key) - records))
  },
  'ws:ban:<address>': async (_t, stage) => {
    await order(stage, 'PUT', '/v1/bans/198.51.100.1', { seconds: 600 })
    return await bytesOf(stage.redis, 'ws:ban:198.51.100.1')
  },
  'ws:bans': async (_t, stage) => {
    for (let i = 0; i < MANY; i++) await order(stage, 'PUT', `/v1/bans/198.51.100.${i}`, { seconds: 600 })
    return Math.round(await bytesOf(stage.redis, 'ws:bans') / MANY)
  },
  'ws:revocations': async (_t, stage) => {
    for (let i = 0; i < MANY; i++) await order(stage, 'POST', '/v1/revocations', { jti: uuidOf(i) })
    return Math.round(await bytesOf(stage.redis, 'ws:revocations') / MANY)
  },
  '{ws:bans}:orders': async (_t, stage) => {
    for (let i = 0; i < MANY; i++) await order(stage, 'PUT', `/v1/bans/198.51.100.${i}`, { seconds: 600 })
    return Math.round(await bytesOf(stage.redis, '{ws:bans}:orders') / MANY)
  },
  '{ws:revocations}:orders': async (_t, stage) => {
    for (let i = 0; i < MANY; i++) await order(stage, 'POST', '/v1/revocations', { jti: uuidOf(i) })
    return Math.round(await bytesOf(stage.redis, '{ws:revocations}:orders') / MANY)
  },
  'ws:inbound': async (t, stage) => {
    for (let n = 0; n < MANY / 50; n++) {
      const client = await open(t, stage)
      for (let i = 0; i < 50; i++) client.send({ type: 'send', to: 'agent:a1', data: 'x'.repeat(200) })
      for (let i = 0; i < 50; i++) await client.nextOf('sent')
    }
    return Math.round(await bytesOf(stage.redis, 'ws:inbound') / MANY)
  },
  'ws:strikes:<address>': async (t, { redis, gateway }) => {
    const from = freshAddress()
    for (let i = 0; i < 11; i++) await connectRefused(t, gateway, '/ws', { from })
    return await bytesOf(redis, await keyLike(redis, `ws:strikes:${from}`))
  },
  'ws:resume:{…}:<nonce>': async (t, stage) => {
    const old = await startGateway(t, { ...settingsOf(stage.issuer), REDIS_URL: stage.redis.url })
    const [sub, from] = [uuidOf(++users), freshAddress()]
    await until('the key of passes is there', async () => await stage.redis.client.exists('ws:resume-key') === 1)
    const client = await open(t, { ...stage, gateway: old }, { sub, from })
    old.signal('SIGTERM')
    const { resume } = await client.nextOf('closing')
    await open(t, stage, { sub, from, pass: String(resume) })
    return await bytesOf(stage.redis, await keyLike(stage.redis, 'ws:resume:*'))
  }
}

async function isDenied (call: Promise<unknown>): Promise<boolean> {
  return await call.then(() => false, error => classifyFailure(error).kind === 'denied')
}

/** By the script that `portcullis publish-script` prints, to a topic and to a user whose connections are at one process. */
async function publishAsBackEnd (t: Test, { client }: TestRedis, backend: Redis): Promise<void> {
  const { text, sha } = loadPublishScript({
    events: new Map([['agent', 2], ['user', 2]]), keepMs: 300_000, maxBytes: 1_048_576, metaMs: 86_400_000
  })
  t.equal(await backend.script('LOAD', text), sha)
  const users = 'ws:history:{ws:topic:user:alice}'
  await client.hset(`${users}:at`, 'n1', Date.now() + 600_000, 'n2', 1)
  for (const key of ['ws:history:{ws:topic:agent:a1}', users]) {
    for (const id of ['', 'i1', 'i2', 'i3', 'i1']) t.match(await backend.evalsha(sha, 1, key, 'status', '1', id), /^\w+:\d$/)
  }
  t.same(await client.hkeys(`${users}:at`), ['n1'])
  await client.del(`${users}:at`)
}

const settingsOf = (issuer: TestIssuer): Record<string, string> => ({ ...trust(issuer), ADMIN_TOKEN, WS_BAN_AFTER: '1000' })

/** What the gateway's connections and its scripts ask, as Redis hears it: a command and the key or channel it is about. */
async function listen (
  t: Test, { client, port }: TestRedis
): Promise<() => Promise<ReadonlyArray<readonly [command: string, name: string]>>> {
  const heard = await startMonitor(t, port)
  return async () => {
    const clients = String(await client.call('CLIENT', 'LIST')).split('\n').filter(line => /\bname=portcullis/.test(line))
    const sources = new Set(['lua', ...clients.map(line => /\baddr=(\S+)/.exec(line)?.[1] ?? '')])
    return heard.filter(({ source }) => sources.has(source)).flatMap(({ args: [asked = '', ...args] }) => {
      const command = asked.toLowerCase()
      const names = command.endsWith('subscribe') ? args : [(command.startsWith('eval') ? args[2] : args[0]) ?? '']
      return names.map(name => [command, name] as const)
    })
  }
}

t.test('with the guide\'s users', async (t) => {
  const issuer = await startIssuer(t)
  const { redis, urlOf } = await startWithUsers(t)
  const heard = await listen(t, redis)
  const gateway = await startGateway(t, { ...settingsOf(issuer), REDIS_URL: urlOf('portcullis') })
  const stage = { redis, issuer, gateway }

  await t.test('each kind of key takes as much as the guide says', async (t) => {
    const measured: Record<string, number> = {}
    for (const [kind, measure] of Object.entries(MEASURES)) measured[kind] = await measure(t, stage)
    t.comment(JSON.stringify(measured))
    t.same([...SAID.keys()], Object.keys(MEASURES))
    const column = await isRedis8(redis) ? 'on8' : 'on7'
    const wrong = Object.entries(measured).filter(([kind, bytes]) => Math.abs(bytes - (SAID.get(kind)?.[column] ?? 0)) > bytes * TOLERANCE)
    t.same(wrong, [], `${column}: kinds whose bytes differ from what the guide says`)
  })

  await t.test('the back end publishes and reads what was sent, and can do no more', async (t) => {
    const backend = new Redis(urlOf('backend'))
    t.teardown(() => { backend.disconnect() })
    const client = await open(t, stage)
    client.send({ type: 'subscribe', agent_ids: ['a1'] })
    await client.nextOf('subscribed')
    await backend.publish('ws:topic:agent:a1', JSON.stringify({ event: 'status', data: 1 }))
    t.match(await client.nextOf('event'), { event: 'status' })
    await backend.xgroup('CREATE', 'ws:inbound', 'workers', '0')
    const read = await backend.xreadgroup('GROUP', 'workers', 'one', 'COUNT', '1', 'STREAMS', 'ws:inbound', '>') as [string, [string, string[]][]][]
    const id = read[0]?.[1][0]?.[0] ?? ''
    t.equal(await backend.xack('ws:inbound', 'workers', id) + await backend.xdel('ws:inbound', id), 2)
    await order(stage, 'DELETE', '/v1/bans/198.51.100.1', {})
    await order(stage, 'DELETE', '/v1/revocations', { jti: uuidOf(1) })
    await backend.publish('ws:control', JSON.stringify({ type: 'recheck', user_id: 'alice' }))
    await publishAsBackEnd(t, redis, backend)
    t.same(await denials(redis), [], 'nothing that either needed was denied')
    await t.rejects(backend.get('ws:resume-key'), /NOPERM/)
    await t.rejects(backend.publish('ws:other', ''), /NOPERM/)
    await t.rejects(backend.zrem('ws:bans', '198.51.100.1'), /NOPERM/)
    // It runs scripts for its history, and reaches nothing else by them either.
    const keys = ['session:1', 'ws:bans', '{ws:bans}:orders', 'ws:inbound']
    t.same(await offenders(keys, async key => await isDenied(backend.eval('return 1', 1, key))), [])
    t.same(await offenders(keys, async key => await isDenied(backend.eval(`return redis.call('GET', '${key}')`, 0))), [])
    t.ok(await isDenied(backend.eval("return redis.call('PUBLISH', 'ws:control:ask', '')", 0)))
  })

  await t.test('the back end orders nothing but a re-check and a disconnect: what it makes up is read, found nowhere, and logged', async (t) => {
    const backend = new Redis(urlOf('backend'))
    t.teardown(() => { backend.disconnect() })
    const [banned, free] = [freshAddress(), freshAddress()]
    await order(stage, 'PUT', `/v1/bans/${banned}`, { seconds: 600 })
    await order(stage, 'POST', '/v1/revocations', { jti: 'revoked-1' })
    const publish = async (message: object): Promise<void> => { await backend.publish('ws:control', JSON.stringify(message)) }
    const scripts = async (): Promise<number> => Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.client.info('commandstats'))?.[1])
    const before = await scripts()
    await publish({ type: 'unban', address: banned })
    await publish({ type: 'ban', address: free, duration_ms: 600_000 })
    await publish({ type: 'unrevoke', target: { kind: 'jti', id: 'revoked-1', issuer: null } })
    await publish({ v: 1, from: 'made-up', type: 'revoke', revocation: { kind: 'jti', id: 'good-1', issuer: null, issuedBeforeMs: null }, duration_ms: 600_000 })
    const lines = (): object[] => gateway.log.filter(line => line.event === 'control.order' && line['order'] !== 'recheck')
      .map(line => [line['order'], line['ip'] ?? line['revocation']])
    await until('all are logged', () => lines().length === 4)
    t.same(lines(), [['unban', banned], ['ban', free], ['unrevoke', 'jti revoked-1'], ['revoke', 'jti good-1']])
    await until('the entries were read', async () => await scripts() >= before + 2)
    t.equal((await connectRefused(t, gateway, '/ws', { from: banned })).body['error'], 'banned')
    const upgradeWith = (jti: string) => ({ from: freshAddress(), headers: { authorization: `Bearer ${issuer.sign({ sub: uuidOf(++users), jti })}` } })
    t.equal((await connectRefused(t, gateway, '/ws', upgradeWith('revoked-1'))).body['error'], 'revoked')
    await (await connect(t, gateway, '/ws', upgradeWith('good-1'))).nextOf('welcome')
    await open(t, stage, { from: free })
    t.same(await redis.client.zscore('ws:bans', free), null)
    const denied = [
      backend.zadd('ws:bans', Date.now() + 60_000, free), backend.hdel('{ws:bans}:orders', banned), backend.del('ws:revocations'),
      backend.hset('{ws:revocations}:orders', 'a', 'b'), backend.publish('ws:control:ask', ''), backend.eval('return 1', 1, 'ws:bans')
    ]
    t.same((await Promise.allSettled(denied)).map(({ status }) => status), denied.map(() => 'rejected'))
  })

  await t.test('all that the gateway asked so far stands in the table by which its rights are checked', async (t) => {
    const needs = redisNeeds({ prefix: '', limitPrefix: '', isCluster: false, addressWindow: 'times', messageWindow: 'times' })
    const plain = new Set<string>([...PLAIN_COMMANDS, 'client', 'hello'])
    const asked = await heard()
    const isNeeded = (command: string, name: string): boolean => {
      const pattern = patternOf(name, needs)
      return needs.some(need => need.pattern === pattern && need.commands.includes(command))
    }
    t.same([...new Set(asked.filter(([command, name]) => !plain.has(command) && !isNeeded(command, name)).map(([command, name]) => `${command} ${name}`))], [])
    const met = new Set(asked.map(([, name]) => patternOf(name, needs)))
    // What issuers tell and what tickets need is asked for in tests of their own.
    const isElsewhere = (pattern: string): boolean => /task|ws:(issuer-word|ticket|dpop):/.test(pattern)
    t.same(needs.map(({ pattern }) => pattern).filter(pattern => !met.has(pattern) && !isElsewhere(pattern)), [], 'and each row of it was met')
  })

  await t.test('the gateway\'s user reaches nothing beside its own keys and channels', async (t) => {
    const client = new Redis(urlOf('portcullis'))
    t.teardown(() => { client.disconnect() })
    await t.rejects(client.get('session:1'), /NOPERM/)
    // In a script Redis 7.0 and 8.0 say the same in other words.
    await t.rejects(client.eval('return redis.call("GET", "session:1")', 0), /can't access at least one of the keys|No permissions to access a key/)
    await t.rejects(client.subscribe('orders'), /NOPERM/)
    for (const command of ['KEYS *', 'FLUSHALL', 'CONFIG GET maxmemory', 'ACL WHOAMI']) {
      const [name = '', ...args] = command.split(' ')
      await t.rejects(client.call(name, ...args), /NOPERM/, command)
    }
  })

  await t.test('the commands of the guide print what it shows', async (t) => {
    await open(t, stage)
    await runGuide(t, 'redis.md', { replace: { 'redis-cli ': `redis-cli -p ${redis.port} ` } })
  })
})

t.test('the gateway\'s user may do all that its scripts do', (t) => {
  const granted = readGuideFile('redis-users.acl').split('\n').find(line => line.startsWith('user portcullis '))?.split(' ') ?? []
  const scripts = (readdirSync(SRC, { recursive: true }) as string[]).filter(file => file.endsWith('.lua')).map(file => readFileSync(SRC + file, 'utf8'))
  const called = new Set(scripts.flatMap(text => [...text.matchAll(/redis\.p?call\('([A-Z]+)'/g)].map(([, name = '']) => name.toLowerCase())))
  t.ok(called.size > 20)
  t.same([...called].filter(name => !granted.includes(`+${name}`)), [])
  t.end()
})

t.test('a full Redis is an outage that ends', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...settingsOf(issuer), REDIS_URL: redis.url })
  const stage = { redis, issuer, gateway }
  await open(t, stage)
  await redis.client.config('SET', 'maxmemory', '1')
  await open(t, stage)
  await gateway.waitForLog('limits.degraded')
  await redis.client.config('SET', 'maxmemory', '0')
  await gateway.waitForLog('limits.restored')
})

t.test('each situation of the guide names tests that are there', async (t) => {
  const [, table = ''] = /<!-- situations -->\n([^]*?)<!-- \/situations -->/.exec(GUIDE) ?? []
  const rows = table.trimEnd().split('\n').slice(2)
  t.ok(rows.length > 5)
  t.same(rows.filter((row) => {
    const tests = [...(row.split(' | ').at(-1) ?? '').matchAll(/`(test\/[^`]+)`/g)].map(([, file = '']) => file)
    return tests.length === 0 || !tests.every(file => existsSync(new URL(file, PROJECT)))
  }), [])
})
