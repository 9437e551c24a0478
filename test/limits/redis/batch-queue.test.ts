import t from 'tap'
import type { Admission } from '../../../src/limits/limiter.js'
import { createBatchQueue, type Batch, type BatchQueue } from '../../../src/limits/redis/batch-queue.js'
import { HANG_MS, until } from '../../support/until.js'

const WAIT_MS = 20

interface Out {
  readonly batch: Batch
  readonly answer: () => void
  readonly fail: (error: unknown) => void
}

const endOfTick = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

/** A queue, and what is out. */
function start (maxInFlight: number, releaseWaitMs = 0, maxGathered = 3): { queue: BatchQueue, out: Out[] } {
  const out: Out[] = []
  const queue = createBatchQueue(async (batch) => {
    await new Promise<void>((resolve, reject) => { out.push({ batch, answer: resolve, fail: reject }) })
  }, { maxInFlight, releaseWaitMs, maxGathered })
  return { queue, out }
}

async function ask (queue: BatchQueue, connectionId: string): Promise<Admission> {
  return await new Promise((resolve, reject) => {
    queue.admit({ request: { address: null, lease: lease(connectionId) }, resolve, reject })
  })
}

const lease = (connectionId: string) => ({ owner: 'alice', connectionId })
const releasedOf = ({ batch: { released } }: Out): unknown[] => released.map(({ connectionId }) => connectionId)
const idsOf = ({ batch: { asked } }: Out): unknown[] => asked.map(({ request }) => request.lease?.connectionId)

t.test('no more batches are out than it says; what waits goes in one', async (t) => {
  for (const maxInFlight of [1, 2, Infinity]) {
    const { queue, out } = start(maxInFlight)
    for (const id of ['a', 'b', 'c', 'd']) {
      void ask(queue, id)
      await endOfTick()
    }
    const atOnce = Math.min(4, maxInFlight)
    t.same(out.map(idsOf), [['a'], ['b'], ['c'], ['d']].slice(0, atOnce), `${maxInFlight} at once`)
    out[0]?.answer()
    await endOfTick()
    await endOfTick()
    const waited = ['a', 'b', 'c', 'd'].slice(atOnce)
    t.same(out.slice(atOnce).map(idsOf), waited.length === 0 ? [] : [waited])
  }
})

t.test('those who were just answered go along with what waits', async (t) => {
  const { queue, out } = start(1)
  void ask(queue, 'a')
  await endOfTick()
  void ask(queue, 'waiting')
  out[0]?.answer()
  await Promise.resolve()
  await Promise.resolve()
  queue.release(lease('a'))
  await endOfTick()
  t.equal(out.length, 2)
  t.match(out[1]?.batch, { released: [{ connectionId: 'a' }], asked: [{ request: { lease: { connectionId: 'waiting' } } }] })
})

t.test('a batch that fails as Redis is away takes along the attempts that wait, and nothing else', async (t) => {
  const { queue, out } = start(1)
  void ask(queue, 'a')
  await endOfTick()
  const waiting = ask(queue, 'b')
  queue.release(lease('c'))
  const failure = new Error('Connection is closed.')
  out[0]?.fail(failure)
  t.equal(await waiting.catch((error: unknown) => error), failure)
  void ask(queue, 'later')
  await endOfTick()
  await endOfTick()
  t.same(out.slice(1).map(({ batch }) => batch.released), [[lease('c')]])
  t.same(out.slice(1).map(idsOf), [['later']])
})

t.test('a batch that fails otherwise takes nobody along: those who wait are asked about', async (t) => {
  const { queue, out } = start(1)
  void ask(queue, 'a')
  await endOfTick()
  void ask(queue, 'b')
  out[0]?.fail(new Error('NOPERM this user has no permissions to run the \'evalsha\' command'))
  await endOfTick()
  await endOfTick()
  t.same(out.slice(1).map(idsOf), [['b']])
})

t.test('flush and close wait for nothing', async (t) => {
  const { queue, out } = start(1)
  for (const [id, send] of [['a', queue.flush], ['b', queue.flush], ['c', queue.close]] as const) {
    void ask(queue, id)
    send()
  }
  t.same(out.map(idsOf), [['a'], ['b'], ['c']])
  t.notOk(queue.admit({ request: { address: null, lease: null }, resolve: () => {}, reject: () => {} }))
})

t.test('releases wait for an attempt, which takes them along', async (t) => {
  const { queue, out } = start(1, HANG_MS)
  for (const id of ['a', 'b']) {
    queue.release(lease(id))
    await endOfTick()
  }
  t.same(out, [])
  void ask(queue, 'c')
  await endOfTick()
  t.same([out.map(releasedOf), out.map(idsOf)], [[['a', 'b']], [['c']]])
  queue.release(lease('c'))
  out[0]?.answer()
  await endOfTick()
  await endOfTick()
  t.equal(out.length, 1, 'the answer to the batch before sends none')
  queue.flush()
  t.same(out.slice(1).map(releasedOf), [['c']])
  queue.release(lease('d'))
  queue.close()
  t.same(out.slice(2).map(releasedOf), [['d']])
})

t.test('releases that no attempt takes along go out together by themselves, when their time has come and not before', async (t) => {
  const { queue, out } = start(1, WAIT_MS)
  const releasedAtMs = performance.now()
  for (const id of ['a', 'b']) queue.release(lease(id))
  await until('they are out', () => out.length > 0)
  const waitedMs = performance.now() - releasedAtMs
  t.ok(waitedMs >= WAIT_MS - 1, `${waitedMs} ms`)
  t.same(out.map(releasedOf), [['a', 'b']])
})

t.test('releases whose time comes while a batch is out follow it, and many wait for nothing', async (t) => {
  const { queue, out } = start(1, WAIT_MS)
  void ask(queue, 'first')
  await endOfTick()
  queue.release(lease('a'))
  const dueAtMs = performance.now() + WAIT_MS
  await until('its time is over', () => performance.now() > dueAtMs)
  await endOfTick()
  t.equal(out.length, 1)
  out[0]?.answer()
  await until('they are out', () => out.length === 2)
  const many = start(1, HANG_MS, 3)
  for (const id of ['a', 'b', 'c']) many.queue.release(lease(id))
  await endOfTick()
  t.same(many.out.map(releasedOf), [['a', 'b', 'c']])
})
