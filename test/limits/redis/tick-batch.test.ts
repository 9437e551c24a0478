import t from 'tap'
import type { Admission } from '../../../src/limits/limiter.js'
import { createTickBatch, type TickBatch, type Turn } from '../../../src/limits/redis/tick-batch.js'

interface Out {
  readonly turn: Turn
  readonly answer: () => void
  readonly fail: (error: unknown) => void
}

const endOfTick = async (): Promise<void> => { await new Promise((resolve) => setImmediate(resolve)) }

/** A batch, and what is out. */
function start (maxInFlight: number): { batch: TickBatch, out: Out[] } {
  const out: Out[] = []
  const batch = createTickBatch(async (turn) => {
    await new Promise<void>((resolve, reject) => { out.push({ turn, answer: resolve, fail: reject }) })
  }, maxInFlight)
  return { batch, out }
}

async function ask (batch: TickBatch, connectionId: string): Promise<Admission> {
  return await new Promise((resolve, reject) => {
    batch.admit({ request: { address: null, lease: { userId: 'alice', connectionId } }, resolve, reject })
  })
}

const idsOf = ({ turn: { asked } }: Out): unknown[] => asked.map(({ request }) => request.lease?.connectionId)

t.test('no more turns are out than it says; what waits goes in one', async (t) => {
  for (const maxInFlight of [1, 2, Infinity]) {
    const { batch, out } = start(maxInFlight)
    for (const id of ['a', 'b', 'c', 'd']) {
      void ask(batch, id)
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
  const { batch, out } = start(1)
  void ask(batch, 'a')
  await endOfTick()
  void ask(batch, 'waiting')
  out[0]?.answer()
  await Promise.resolve()
  await Promise.resolve()
  batch.release({ userId: 'alice', connectionId: 'a' })
  await endOfTick()
  t.equal(out.length, 2)
  t.match(out[1]?.turn, { released: [{ connectionId: 'a' }], asked: [{ request: { lease: { connectionId: 'waiting' } } }] })
})

t.test('a turn that fails takes along the attempts that wait, and nothing else', async (t) => {
  const { batch, out } = start(1)
  void ask(batch, 'a')
  await endOfTick()
  const waiting = ask(batch, 'b')
  batch.release({ userId: 'alice', connectionId: 'c' })
  const failure = new Error('away')
  out[0]?.fail(failure)
  t.equal(await waiting.catch((error: unknown) => error), failure)
  void ask(batch, 'later')
  await endOfTick()
  await endOfTick()
  t.same(out.slice(1).map(({ turn }) => turn.released), [[{ userId: 'alice', connectionId: 'c' }]])
  t.same(out.slice(1).map(idsOf), [['later']])
})

t.test('flush and close wait for nothing', async (t) => {
  const { batch, out } = start(1)
  for (const [id, send] of [['a', batch.flush], ['b', batch.flush], ['c', batch.close]] as const) {
    void ask(batch, id)
    send()
  }
  t.same(out.map(idsOf), [['a'], ['b'], ['c']])
  t.notOk(batch.admit({ request: { address: null, lease: null }, resolve: () => {}, reject: () => {} }))
})
