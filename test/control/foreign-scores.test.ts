import t from 'tap'
import { createRedisControl } from '../../src/control/redis-control.js'
import { openClient } from '../bus/clients.js'
import { startRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { createRecorder } from './control-conformance.js'

const KEYS = ['ws:bans', 'ws:revocations', 'ws:control:orders'] as const
/** What a sorted set can hold, which holds no `nan`. */
const SCORES = ['inf', '-inf', '1e300', '-1e300', '9007199254740993', '1.5', '-1', '0']
const TOKEN = { kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null } as const
const YEAR_10000_MS = 253_402_300_800_000

for (const score of SCORES) {
  t.test(`members of another program with the score ${score} stop no order`, async (t) => {
    const redis = await startRedis(t)
    // More than one slice of a reading, and a ban as the build before gives it.
    for (const key of KEYS) await redis.client.zadd(key, ...Array.from({ length: 450 }, (_, n) => [score, `not ours ${n}`]).flat())
    await redis.client.zadd('ws:bans', score, '192.0.2.99')
    const client = await openClient(t, redis)
    const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: 3_600_000, issuers: ['main'], timeoutMs: HANG_MS })
    t.teardown(async () => { await control.close() })
    control.start(createRecorder().handlers)
    await until('all is read', () => control.loaded)
    await control.ban('192.0.2.1', 60_000)
    await control.revoke(TOKEN)
    await control.disconnect('alice')
    await control.recheck(null)
    t.ok(control.bannedForMs('192.0.2.1') > 0)
    const bans = await control.listBans({ limit: 1000, after: null })
    t.ok(bans?.entries.some(({ address }) => address === '192.0.2.1'))
    t.same(bans?.entries.filter(({ remainingMs }) => !(Date.now() + remainingMs < YEAR_10000_MS)), [], 'each ends at a time that can be written')
    t.same((await control.listRevocations({ limit: 1000, after: null }))?.entries.length, 1)
    await control.unban('192.0.2.1')
    await control.unban('192.0.2.99')
    await control.unrevoke(TOKEN)
    t.equal(control.bannedForMs('192.0.2.1'), 0)
    t.equal(control.bannedForMs('192.0.2.99'), 0)
    for (const key of [...KEYS, '{ws:bans}:orders', '{ws:revocations}:orders']) {
      t.ok(await redis.client.exists(key) === 0 || await redis.client.pttl(key) > 0, `${key} has a lifetime`)
    }
  })
}

t.test('a record of another program with times of any size stops no order either', async (t) => {
  const redis = await startRedis(t)
  const large = '9'.repeat(400)
  await redis.client.hset('{ws:bans}:orders', '192.0.2.99', `${large} ${large} + 1 0 192.0.2.99`, '', `1 ${large}`)
  const client = await openClient(t, redis)
  const control = createRedisControl({ client, prefix: '', maxTokenLifetimeMs: 3_600_000, issuers: ['main'], timeoutMs: HANG_MS })
  t.teardown(async () => { await control.close() })
  control.start(createRecorder().handlers)
  await until('all is read', () => control.loaded)
  for (const address of ['192.0.2.1', '192.0.2.99']) {
    await control.ban(address, 60_000)
    t.ok(control.bannedForMs(address) > 0)
    await control.unban(address)
    t.equal(control.bannedForMs(address), 0)
  }
})
