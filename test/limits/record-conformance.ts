import type { Redis } from '#ioredis'
import type { Test } from 'tap'
import type { Lease, Limiter } from '../../src/limits/limiter.js'
import { createRedisLimiter, type RecordOptions } from '../../src/limits/redis/limiter.js'
import type { ScriptClient } from '../../src/redis/lua-script.js'
import { offenders } from '../support/offenders.js'
import { HANG_MS, until } from '../support/until.js'
import { SETTINGS } from './limiter-conformance.js'

export interface RecordSubject {
  /** What the limiter sends its scripts through. */
  readonly client: ScriptClient
  /** For looking into the same store. */
  readonly look: Pick<Redis, 'hgetall' | 'hset' | 'hget' | 'set' | 'pttl' | 'flushall'>
}

const DAY_MS = 86_400_000
const lease = (connectionId: string, owner = 'alice'): Lease => ({ owner, connectionId, record: `{"of":"${connectionId}"}` })
const recordsOf = (...ids: string[]): Record<string, string> => Object.fromEntries(ids.map((id) => [id, `{"of":"${id}"}`]))
let nodes = 0

/** What becomes of records in Redis: in one script with the lease, or in a call of their own. */
export function testRecords (t: Test, { client, look }: RecordSubject): void {
  /** A node of its own. */
  function start (t: Test, mayRestore: RecordOptions['mayRestore'] = () => true): { limiter: Limiter, key: string, kept: () => Promise<unknown> } {
    const node = `n${nodes++}`
    const limiter = createRedisLimiter(client, { ...SETTINGS, userConnections: 3 }, { prefix: `${node}:`, callTimeoutMs: HANG_MS, records: { prefix: 'p:', node, mayRestore } })
    t.teardown(async () => { await limiter.close() })
    const key = `p:ws:node:${node}`
    return { limiter, key, kept: async () => ({ ...await look.hgetall(key) }) }
  }
  async function expectRecords (t: Test, kept: () => Promise<unknown>, expected: Record<string, string>): Promise<void> {
    await until(`records are ${JSON.stringify(expected)}`, async () => JSON.stringify(sorted(await kept())) === JSON.stringify(sorted(expected)))
    t.same(await kept(), expected)
  }

  t.test('a record is there once its lease is, is kept by vacating, and goes with the release', async (t) => {
    const { limiter, key, kept } = start(t)
    await Promise.all(['a', 'b'].map(async (id) => await limiter.admit({ address: '192.0.2.1', lease: lease(id) })))
    await expectRecords(t, kept, recordsOf('a', 'b'))
    const ttlMs = await look.pttl(key)
    t.ok(ttlMs > 0 && ttlMs <= DAY_MS, `${ttlMs} ms`)
    await limiter.vacate([lease('a'), lease('b')])
    t.same(await kept(), recordsOf('a', 'b'))
    limiter.release(lease('a'))
    await expectRecords(t, kept, recordsOf('b'))
  })

  t.test('records have their time to live, however they came and went', async (t) => {
    const { limiter, kept, key } = start(t)
    const ids = ['a', 'b', 'c', 'd']
    for (const [n, id] of ids.entries()) {
      await limiter.admit({ address: null, lease: lease(id, id) })
      await expectRecords(t, kept, recordsOf(id))
      t.ok(await look.pttl(key) > 0, id)
      // The second goes with the next admission, and is the only one; the third was lost before.
      limiter.release(lease(id, id))
      if (n === 0) await limiter.vacate([])
      if (n === 2) await look.flushall()
    }
  })

  t.test('who is refused leaves no record, nor does a lease without one', async (t) => {
    const { limiter, kept } = start(t)
    for (const id of ['a', 'b']) await limiter.admit({ address: null, lease: lease(id) })
    await limiter.admit({ address: null, lease: { ...lease('silent'), record: '' } })
    t.match(await limiter.admit({ address: null, lease: lease('late') }), { admitted: false, limit: 'user' })
    for (let i = 0; i < 10; i++) await limiter.admit({ address: '192.0.2.1', lease: null })
    t.match(await limiter.admit({ address: '192.0.2.1', lease: lease('x', 'bob') }), { admitted: false, limit: 'address' })
    await limiter.renew([{ ...lease('silent'), record: '' }])
    await limiter.close()
    t.same(await kept(), recordsOf('a', 'b'))
  })

  t.test('a renewal puts back what was lost, and only that', async (t) => {
    const { limiter, kept, key } = start(t)
    const leases = ['a', 'b', 'c'].map((id) => lease(id))
    for (const one of leases) await limiter.admit({ address: null, lease: one })
    await expectRecords(t, kept, recordsOf('a', 'b', 'c'))
    await limiter.renew(leases.map((one) => ({ ...one, record: 'changed' })))
    t.same(await kept(), recordsOf('a', 'b', 'c'), 'nothing was lost')
    await look.flushall()
    await limiter.renew(leases.slice(0, 2))
    t.same(await kept(), recordsOf('a', 'b'))
    t.ok(await look.pttl(key) > 0)
    await limiter.renew(leases.map((one) => ({ ...one, record: one.connectionId === 'c' ? one.record ?? '' : 'changed' })))
    t.same(await kept(), recordsOf('a', 'b', 'c'))
  })

  t.test('a renewal puts nothing back that may have been claimed', async (t) => {
    let alive = false
    const { limiter, kept } = start(t, () => alive)
    await limiter.admit({ address: null, lease: lease('a') })
    await expectRecords(t, kept, recordsOf('a'))
    await look.flushall()
    await limiter.renew([lease('a')])
    t.same(await kept(), {})
    alive = true
    await limiter.renew([lease('a')])
    t.same(await kept(), recordsOf('a'))
  })

  t.test('what is released while a renewal puts it back is gone in the end', async (t) => {
    const { limiter, kept } = start(t)
    const leases = Array.from({ length: 30 }, (_, i) => lease(`c${i}`, `u${i}`))
    const renewed = limiter.renew(leases)
    limiter.release(leases[0] ?? lease('c0'))
    await renewed
    for (const one of leases.slice(1)) limiter.release(one)
    await limiter.close()
    t.same(await kept(), {})
  })

  t.test('the field that is not the limiter\'s stays as it is, and other nodes\' records too', async (t) => {
    const one = start(t)
    const other = start(t)
    await look.hset(one.key, { '': '12345' })
    await other.limiter.admit({ address: null, lease: lease('a') })
    await one.limiter.admit({ address: null, lease: lease('a') })
    await one.limiter.renew([lease('a')])
    await one.limiter.vacate([lease('a')])
    one.limiter.release(lease('a'))
    await expectRecords(t, one.kept, { '': '12345' })
    await expectRecords(t, other.kept, recordsOf('a'))
  })

  t.test('more records than one call takes', async (t) => {
    const { limiter, kept } = start(t)
    const leases = Array.from({ length: 1201 }, (_, i) => lease(`c${i}`, `u${i}`))
    await limiter.renew(leases)
    t.same(await kept(), recordsOf(...leases.map(({ connectionId }) => connectionId)))
    for (const one of leases) limiter.release(one)
    await limiter.close()
    t.same(await kept(), {})
  })

  t.test('records that cannot be kept refuse nobody, fail no renewal and hold up no release', async (t) => {
    const { limiter, key } = start(t)
    await look.set(key, 'not a hash')
    t.same(await offenders(['a', 'b', 'c'], async id => (await limiter.admit({ address: null, lease: lease(id) })).admitted), [])
    await limiter.renew([lease('a')])
    limiter.release(lease('a'))
    t.ok((await limiter.admit({ address: null, lease: lease('d') })).admitted)
    t.notOk((await limiter.admit({ address: null, lease: lease('e') })).admitted)
  })
}

function sorted (records: unknown): unknown {
  return Object.entries(records ?? {}).sort(([a], [b]) => a < b ? -1 : 1)
}
