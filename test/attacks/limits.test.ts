import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { encodeSegment, generateKey, signToken, startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { exchange, upgradeHead } from '../support/raw-socket.js'
import { startRedis } from '../support/redis.js'
import { present } from './present.js'

const PROXY = '127.66.0.1'

t.test('limits in Redis under attack', async (t) => {
  const [redis, issuer] = await Promise.all([startRedis(t), startIssuer(t, { algorithm: 'ES256' })])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, TRUSTED_PROXIES: PROXY })
  const keysOf = async (pattern: string): Promise<string[]> => await redis.client.keys(pattern)

  await t.test('a victim\'s slots cannot be taken, nor seen, without a token of the victim', async (t) => {
    const forger = generateKey('ES256', issuer.newestKey().kid)
    const good = issuer.sign({ sub: 'victim' }).split('.')
    const forged = [
      issuer.sign({ sub: 'victim' }, { key: forger }), issuer.sign({ sub: 'victim', exp: 1 }), issuer.sign({ sub: 'victim', aud: 'other' }),
      `${good[0] ?? ''}.${good[1] ?? ''}.${'A'.repeat(86)}`, `${encodeSegment({ alg: 'none' })}.${good[1] ?? ''}.AA`,
      signToken({ alg: 'ES256', kid: 'unknown' }, { iss: issuer.issuer, aud: issuer.audience, sub: 'victim', exp: Date.now() / 1000 + 60 }, forger)
    ]
    for (const token of forged) {
      for (let n = 0; n < 10; n++) t.equal((await present(t, gateway, token)).status, 401)
    }
    t.same(await keysOf('ws:ratelimit:user:*'), [])
    for (let slot = 0; slot < 5; slot++) {
      const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'victim' })}`, { from: freshAddress() })
      t.equal((await client.next()).type, 'welcome')
    }
  })

  await t.test('subjects that would shape a key have five slots each, in one key of their own', async (t) => {
    const subjects = ['a:b', '{a}', '*', 'user:*', '../x', 'a%3Ab', 'victim ', 'VICTIM', 'ü', '\'"; DEL', 'x'.repeat(256)]
    for (const sub of subjects) {
      for (let slot = 0; slot < 5; slot++) {
        const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub })}`, { from: freshAddress() })
        t.equal((await client.next())['user_id'], sub)
      }
      t.same(await present(t, gateway, issuer.sign({ sub })), { status: 429, error: 'user_connection_limit' }, sub)
    }
    const keys = await keysOf('ws:ratelimit:user:*')
    t.equal(keys.length, subjects.length)
    t.same(keys.filter(key => !/^ws:ratelimit:user:[A-Za-z0-9._%-]+$/.test(key)), [])
  })

  await t.test('no entry that a proxied client writes shapes a key or makes a second window', async (t) => {
    const refusedFor = async (...forwardedFor: string[]): Promise<number | undefined> =>
      (await exchange(t, gateway, upgradeHead('/ws', { 'X-Forwarded-For': forwardedFor }), PROXY))?.status
    for (let n = 0; n < 10; n++) t.equal(await refusedFor(`10.0.0.${n}`, `192.0.2.7:${n + 1}`), 401, 'several lines, a port each time')
    for (const same of [['192.0.2.7'], ['203.0.113.1, 192.0.2.7'], ['192.0.2.7', PROXY], ['::ffff:192.0.2.7'], ['[::ffff:c000:207]:99'], [Array.from({ length: 500 }, (_, n) => `10.1.${n % 250}.1`).join(', ') + ', 192.0.2.7']]) {
      t.equal(await refusedFor(...same), 429, String(same).slice(0, 60))
    }
    for (const garbage of ['x', '192.0.2.7;', '192.0.2.7:x', '[192.0.2.7]', '192.0.2.7 192.0.2.8', '"192.0.2.7"', '{192.0.2.7}', '*', '192.0.2.7,']) {
      t.equal(await refusedFor(garbage), 400, garbage)
    }
    t.same((await keysOf('ws:ratelimit:ip:*')).filter(key => !/^ws:ratelimit:ip:[0-9.]+$/.test(key)), [])
  })

  await t.test('no limiter key is without an end', async (t) => {
    t.same(await offenders(await keysOf('ws:ratelimit:*'), async key => await redis.client.pttl(key) > 0), [])
  })
})
