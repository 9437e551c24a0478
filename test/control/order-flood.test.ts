import t, { type Test } from 'tap'
import { MAX_REVOCATIONS } from '../../src/control/control.js'
import { createControlState } from '../../src/control/control-state.js'
import type { HeardOrder } from '../../src/control/order-reports.js'
import { createOrderReports } from '../../src/control/order-reports.js'
import { LedgerReader } from '../../src/control/ledger-reader.js'
import { createOrderStore } from '../../src/control/order-store.js'
import { createRedisControl } from '../../src/control/redis-control.js'
import { createControlKeys } from '../../src/redis/keys.js'
import { openClient } from '../bus/clients.js'
import { startRedis, type TestRedis } from '../support/redis.js'
import { HANG_MS, until } from '../support/until.js'
import { createRecorder } from './control-conformance.js'

const YEAR_MS = 31_536_000_000

async function countScripts ({ client }: TestRedis): Promise<number> {
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
}

/** What a reading does to the loop: the most entries learnt in one turn, and the most that one reply held. */
async function watchTurns (count: () => number, work: () => Promise<void>): Promise<number> {
  let [most, last, watching] = [0, count(), true]
  const look = (): void => {
    most = Math.max(most, count() - last)
    last = count()
    if (watching) setImmediate(look)
  }
  setImmediate(look)
  await work()
  watching = false
  return most
}

t.test('100,000 revocations are read in slices: no turn of the event loop has more than some hundreds', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  const endsAtMs = Date.now() + YEAR_MS
  const total = MAX_REVOCATIONS
  for (let from = 0; from < total; from += 10_000) {
    const ids = Array.from({ length: 10_000 }, (_, n) => `3f0c6f1e-8f43-4f0a-9d3b-${String(from + n).padStart(12, '0')}`)
    const member = (id: string): string => JSON.stringify({ kind: 'jti', id, issuer: null, issuedBeforeMs: null })
    await client.zadd('ws:revocations', ...ids.flatMap(id => [endsAtMs, member(id)]))
    await client.hset('{ws:revocations}:orders', ...ids.flatMap(id => [JSON.stringify(['jti', null, id]), `1 ${endsAtMs} + 7 9007199254740991 ${member(id)}`]))
  }
  await client.hset('{ws:revocations}:orders', '', `7 ${endsAtMs}`)
  await client.zadd('ws:revocations', endsAtMs, JSON.stringify({ id: 'kept since 7', kind: 'jti', issuer: null, issuedBeforeMs: null }))
  const state = createControlState({ revocationMs: YEAR_MS, now: () => performance.now() })
  const store = createOrderStore({
    client, keys: createControlKeys('').revocations, terms: state.terms.revocations, timeoutMs: HANG_MS, onUnreadable: () => { t.fail('unreadable') }
  })
  const read = { records: 0, members: 0 }
  const counting: typeof store = {
    ...store,
    async readRecords (...args) {
      const slice = await store.readRecords(...args)
      read.records += slice.entries.length
      return slice
    },
    async readSet (...args) {
      const slice = await store.readSet(...args)
      read.members += slice.entries.length
      return slice
    }
  }
  const reader = new LedgerReader({ name: 'revocations', state, store: counting, onUnreadable: () => { t.fail('unreadable') }, onWrittenBack: () => { t.fail('written back') } })
  for (const round of ['the first reading', 'the next one']) {
    const before = await countScripts(redis)
    Object.assign(read, { records: 0, members: 0 })
    const most = await watchTurns(() => read.records + read.members, async () => { await reader.readAll() })
    t.ok(most > 0 && most < 2500, `${round}: ${most} in a turn`)
    t.ok(read.records >= total && read.members >= total, `${round} has read all: ${read.records}, ${read.members}`)
    t.equal(await countScripts(redis) - before, 1, 'and had nothing to settle')
    t.equal(state.lookup.size(), total)
  }
})

async function openFlooded (t: Test) {
  const redis = await startRedis(t)
  const heard: HeardOrder[] = []
  const { handlers, told } = createRecorder()
  const control = createRedisControl({
    client: await openClient(t, redis), prefix: '', maxTokenLifetimeMs: 3_600_000, issuers: ['main'], onHeard: (order) => { heard.push(order) }
  })
  t.teardown(async () => { await control.close() })
  control.start(handlers)
  await until('it is loaded and listens', async () => control.loaded && (await redis.client.pubsub('CHANNELS')).length === 1)
  return { redis, control, heard, told }
}

t.test('a flood of messages about entries costs Redis a few calls, and the log a few lines', async (t) => {
  const { redis, control, heard, told } = await openFlooded(t)
  const before = await countScripts(redis)
  const began = performance.now()
  const flood = redis.client.pipeline()
  for (let n = 0; n < 20_000; n++) flood.publish('ws:control', `{"type":"ban","address":"10.0.${n >> 8}.${n & 255}","duration_ms":60000}`)
  flood.publish('ws:control', '{"type":"disconnect","user_id":"the-last"}')
  await flood.exec()
  await until('all are heard', () => told.length > 0)
  await redis.client.zadd('ws:bans', Date.now() + 60_000, '192.0.2.9')
  await redis.client.publish('ws:control', '{"type":"ban","address":"192.0.2.9","duration_ms":60000}')
  await until('an order among them is known', () => control.bannedForMs('192.0.2.9') > 0)
  // Five script calls for 500 names in 50 ms, and a full reading each half second.
  const most = Math.ceil((performance.now() - began) / 50 + 1) * 6 + 20
  const calls = await countScripts(redis) - before
  t.ok(calls <= most, `${calls} calls`)
  t.ok(calls < 1000, `${calls} calls for 20,000 messages`)
  t.same(told.toSorted(), ['ban 192.0.2.9', 'disconnect the-last'])
  t.ok(heard.length <= 50 * (1 + (performance.now() - began) / 10_000), `${heard.length} lines`)
})

t.test('each kind of order has its own lines in a period, so none hides another, and says how many were left out', (t) => {
  let nowMs = 0
  const heard: HeardOrder[] = []
  const reports = createOrderReports((order) => { heard.push(order) }, () => nowMs)
  for (let n = 0; n < 200; n++) reports.note({ type: 'unban', address: `a${n}` })
  t.equal(heard.length, 50)
  reports.note({ type: 'disconnect', user_id: 'bob' })
  t.same(heard.slice(50), [{ order: 'disconnect', userId: 'bob' }])
  nowMs = 10_000
  reports.note({ type: 'revoke', revocation: { kind: 'sid', id: 's', issuer: null, issuedBeforeMs: null }, duration_ms: 1 })
  reports.note({ type: 'unrevoke', target: { kind: 'sub', id: 'alice', issuer: 'main' } })
  reports.note({ type: 'recheck' })
  reports.note({ type: 'unban', address: 'b' })
  t.same(heard.slice(51), [
    { order: 'revoke', revocation: 'sid s' }, { order: 'unrevoke', revocation: 'sub alice' }, { order: 'recheck' },
    { order: 'unban', address: 'b', dropped: 150 }
  ])
  for (let n = 0; n < 60; n++) reports.note({ type: 'disconnect', user_id: 'bob' })
  reports.close()
  t.same(heard.slice(105), [{ order: 'disconnect', dropped: 10 }])
  t.end()
})
