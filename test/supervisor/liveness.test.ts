import t, { type Test } from 'tap'
import { watchLiveness } from '../../src/supervisor/liveness.js'
import { until } from '../support/until.js'

const EVERY_MS = 1

/** Watches a worker that answers the pings marked `+`, and none after the last of them. */
function watch (t: Test, answers: string, maxMisses: () => number): { pings: () => number, hung: () => number, stop: () => void } {
  let pings = 0
  let hung = 0
  const stop = watchLiveness({
    ping: async () => { if (answers[pings++] !== '+') throw new Error('no answer') },
    maxMisses,
    onHung: () => { hung++ },
    everyMs: EVERY_MS
  })
  t.teardown(stop)
  return { pings: () => pings, hung: () => hung, stop }
}

/** Long enough for several pings of anything that still pings. */
async function severalPings (t: Test): Promise<void> {
  const other = watch(t, '+++++', () => 100)
  await until('five pings went by', () => other.pings() >= 5)
  other.stop()
}

t.test('a worker hangs after so many misses in a row, not in all; then it is pinged no more', async (t) => {
  const worker = watch(t, '--+--+--', () => 3)
  await until('it hangs', () => worker.hung() > 0)
  t.equal(worker.pings(), 9)
  await severalPings(t)
  t.equal(worker.pings(), 9)
  t.equal(worker.hung(), 1)
})

t.test('the number of misses may change while it is watched', async (t) => {
  let maxMisses = 1000
  const worker = watch(t, '', () => maxMisses)
  await until('it missed ten', () => worker.pings() >= 10)
  t.equal(worker.hung(), 0)
  maxMisses = 3
  await until('it hangs', () => worker.hung() === 1)
})

t.test('a worker that has ended does not hang, though its last ping fails', async (t) => {
  const fail: Array<() => void> = []
  let hung = 0
  const stop = watchLiveness({
    ping: async () => { await new Promise((_resolve, reject) => { fail.push(() => { reject(new Error('gone')) }) }) },
    maxMisses: () => 1,
    onHung: () => { hung++ },
    everyMs: EVERY_MS
  })
  t.teardown(stop)
  await until('a ping is on its way', () => fail.length > 0)
  stop()
  for (const one of fail) one()
  await severalPings(t)
  t.equal(hung, 0)
})
