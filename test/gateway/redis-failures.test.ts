import t, { type Test } from 'tap'
import { createRedisFailures, type RedisFailures } from '../../src/gateway/redis-failures.js'
import { loadOwnAdmitScript } from '../../src/limits/redis/scripts.js'
import { createLog } from '../../src/observe/log/log.js'
import { connectRedis } from '../../src/redis/connect.js'
import { redisNeeds } from '../../src/redis/needs.js'
import { ScriptItemError } from '../../src/redis/script-item-error.js'
import { watchReplies } from '../../src/redis/watch-replies.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { SETTINGS } from '../limits/limiter-conformance.js'
import { HANG_MS, until } from '../support/until.js'

type Line = Readonly<Record<string, unknown>>
interface Subject {
  readonly failures: RedisFailures
  readonly lines: Line[]
  /** By command. */
  readonly counted: Map<string, number>
  readonly commands: ReturnType<typeof connectRedis>['commands']
  allow (...rules: string[]): Promise<void>
  advance (ms: number): void
}

const ALL = ['~*', '&*', '+@all']
const needs = redisNeeds({ prefix: '', limitPrefix: '', isCluster: false, addressWindow: 'times', messageWindow: 'times' })

async function start (t: Test, redis: TestRedis, ...rules: string[]): Promise<Subject> {
  const allow = async (...given: string[]): Promise<void> => { await redis.client.call('ACL', 'SETUSER', 'gate', 'reset', 'on', '>pass', ...given) }
  await allow(...rules)
  const connection = connectRedis({ url: redis.url.replace('//', '//gate:pass@'), commandTimeoutMs: HANG_MS })
  t.ok(await connection.waitUntilUp(HANG_MS))
  const lines: Line[] = []
  const counted = new Map<string, number>()
  let atMs = 0
  const failures = createRedisFailures({
    client: connection.commands,
    needs,
    admitScript: loadOwnAdmitScript(SETTINGS, null, false),
    log: createLog({ level: 'info', node: 'n', destination: { write: (text) => { lines.push(JSON.parse(text) as Line) } } }),
    metrics: { historyUnreadable () {}, redisDenied: (command, count) => { counted.set(command, (counted.get(command) ?? 0) + count) } },
    now: () => atMs
  })
  watchReplies(connection.commands, failures.note)
  t.teardown(async () => {
    failures.close()
    await connection.close()
  })
  return { failures, lines, counted, commands: connection.commands, allow, advance: (ms) => { atMs += ms } }
}

const redis = await startRedis(t)

t.test('a command that is denied is a line with its command and pattern, whoever sent it; then once a minute with how often', async (t) => {
  const { failures, lines, counted, commands, advance } = await start(t, redis, ...ALL, '-xlen')
  const ask = async (): Promise<void> => {
    await commands.xlen('ws:inbound').catch(() => { /* nobody is told but the watch */ })
    // What it has looked for: that is no denial more.
    await failures.look()
  }
  for (let n = 0; n < 3; n++) await ask()
  t.match(lines, [{ event: 'redis.denied', level: 'error', command: 'xlen', names: ['ws:inbound'], count: 1 }])
  advance(59_999)
  await ask()
  t.equal(lines.length, 1)
  advance(1)
  await ask()
  t.match(lines[1], { command: 'xlen', count: 4 })
  t.same([...counted], [['xlen', 5]])
})

t.test('what is denied within a script is named by asking Redis, once for many', async (t) => {
  const { failures, lines, counted, commands } = await start(t, redis, '~ws:*', '&ws:*', '+@all', '-zadd')
  const script = 'return redis.call("ZADD", KEYS[1], 1, "a")'
  await Promise.all([1, 2, 3].map(async (n) => { await t.rejects(commands.eval(script, 1, `ws:ratelimit:user:u${n}`)) }))
  failures.note(new ScriptItemError('renew', 'ERR ACL failure in script: User gate has no permissions to run the \'zadd\' command', ['ws:ratelimit:user:u4']))
  await until('the line is there', () => lines.some(({ command }) => command === 'zadd'))
  t.match(lines.find(({ command }) => command === 'zadd'), { event: 'redis.denied', count: 4 })
  t.ok(counted.get('zadd') === 4)
  t.ok(failures.cannotDecide(), 'nobody can be let in')
})

t.test('in advance it is told all that is denied, and told again that it is mended', async (t) => {
  const { failures, lines, allow } = await start(t, redis, '~ws:ratelimit:*', '~ws:node:*', '&ws:topic:*', '+@all')
  await failures.look()
  const names = (command: string): unknown => lines.find(line => line['command'] === command)?.['names']
  t.same(names('subscribe'), ['ws:control', 'ws:control:ask', 'ws:control:answer:*'])
  t.same(names('xadd'), ['ws:inbound'])
  t.ok(lines.every(({ event, count }) => event === 'redis.denied' && count === 0))
  t.notOk(failures.cannotDecide(), 'the limits can be asked')
  await allow('~*', '&*', '+@all', '-evalsha', '-eval')
  await failures.look()
  t.ok(failures.cannotDecide(), 'no script may run')
  await allow(...ALL)
  await failures.look()
  t.notOk(failures.cannotDecide())
})

t.test('a fault is one line by what failed, and neither being away, nor a lost script, nor a driver\'s introduction is any', async (t) => {
  const { failures, lines, commands } = await start(t, redis, ...ALL)
  await redis.client.set('ws:bans', 'not ours')
  const error: unknown = await commands.zcard('ws:bans').catch((thrown: unknown) => thrown)
  failures.note(error)
  await commands.zcard('ws:bans').catch(() => {})
  t.match(lines, [{ event: 'fault', where: 'redis: zcard', error: 'WRONGTYPE', names: ['ws:bans'], count: 1 }])
  await commands.evalsha('0'.repeat(40), 0).catch(() => {})
  await commands.call('CLIENT', 'SETINFO', 'LIB-NAME', ' ').catch(() => {})
  failures.note(new Error('Connection is closed.'))
  t.equal(lines.length, 1)
})

t.test('labels and samples are bounded, whatever fails', async (t) => {
  const { failures, lines, counted } = await start(t, redis, ...ALL)
  for (let n = 0; n < 1000; n++) {
    failures.note(Object.assign(new Error('NOPERM no'), { command: { name: `c${n}`, args: [`key-${n}`] } }))
    failures.note(Object.assign(new Error(`CODE${'_'.repeat(n % 5)}${String.fromCharCode(65 + n % 26)}${String.fromCharCode(65 + n % 25)} no`), { command: { name: 'get', args: [] } }))
  }
  t.same([...counted], [['other', 1000]])
  t.ok(lines.length <= 202, `${lines.length}`)
  t.notMatch(JSON.stringify(lines), 'key-', 'no name that is not ours')
})

t.test('a script that has several keys is told of those alone that it is denied, and a command without a key by its name', async (t) => {
  const { failures, lines, counted, commands, allow, advance } = await start(t, redis, ...ALL, '-xadd')
  const add = 'redis.call("LINDEX", KEYS[2], 0) return redis.call("XADD", KEYS[1], "*", "a", "b")'
  await t.rejects(commands.eval(add, 2, 'ws:inbound', '{ws:inbound}:bytes'))
  await until('the line is there', () => lines.length > 0)
  t.match(lines, [{ command: 'xadd', names: ['ws:inbound'], count: 1 }])
  t.notOk(failures.cannotDecide())
  await allow(...ALL, '-time')
  advance(60_000)
  await t.rejects(commands.eval('return redis.call("TIME")', 1, 'ws:inbound'))
  await until('the next line is there', () => lines.length > 1)
  t.match(lines.slice(1), [{ command: 'time', names: [], count: 1 }])
  t.ok(failures.cannotDecide(), 'the limits ask the time')
  t.same([...counted], [['xadd', 1], ['time', 1]])
})
