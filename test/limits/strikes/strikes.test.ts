import t, { type Test } from 'tap'
import { MAX_STRUCK_PER_CALL, type CountStrikes, type StrikeCounts } from '../../../src/limits/strikes/counters.js'
import { createStrikes, type Strikes, type StrikesOptions } from '../../../src/limits/strikes/strikes.js'
import { until } from '../../support/until.js'

interface Bench { readonly strikes: Strikes, readonly enough: string[], readonly faults: unknown[] }

function setUp (t: Test, options: Pick<StrikesOptions, 'shared' | 'local'>): Bench {
  const [enough, faults] = [[] as string[], [] as unknown[]]
  const strikes = createStrikes({ ...options, onEnough: (address) => { enough.push(address) }, onFault: (error) => { faults.push(error) } })
  t.teardown(strikes.close)
  return { strikes, enough, faults }
}

/** Keeps what it is asked to count, and says of `guilty` that it was enough. */
function keep (calls: StrikeCounts[], guilty: readonly string[] = []): CountStrikes {
  return async (counts) => { calls.push(counts); return guilty.filter(address => counts.has(address)) }
}
const away: CountStrikes = async () => { throw new Error('away') }

t.test('what comes together is counted together, by address', async (t) => {
  const calls: StrikeCounts[] = []
  const { strikes, enough } = setUp(t, { shared: keep(calls, ['b']), local: away })
  for (const address of ['a', 'b', 'a', 'a']) strikes.add(address)
  await until('it is counted', () => calls.length > 0)
  t.same(calls, [new Map([['a', 3], ['b', 1]])])
  await until('who has had enough is told', () => enough.length > 0)
  t.same(enough, ['b'])
})

t.test('while Redis is away this process counts, and waits for it once for all that came', async (t) => {
  const calls: StrikeCounts[] = []
  let asked = 0
  const { strikes, enough } = setUp(t, { shared: async (counts) => { asked++; return await away(counts) }, local: keep(calls, ['n1']) })
  const number = 2 * MAX_STRUCK_PER_CALL + 1
  for (let i = 0; i < number; i++) strikes.add(`n${i}`)
  await until('all are counted', () => calls.reduce((sum, { size }) => sum + size, 0) === number)
  t.equal(asked, 1)
  t.same(enough, ['n1'])
  strikes.add('later')
  await until('it is asked again', () => asked === 2)
})

t.test('without Redis this process counts', async (t) => {
  const calls: StrikeCounts[] = []
  const { strikes } = setUp(t, { shared: null, local: keep(calls) })
  strikes.add('a')
  await until('it is counted', () => calls.length === 1)
})

t.test('a call holds a bounded number of addresses, one call is under way at a time, and what waits is bounded', async (t) => {
  let [running, most, counted] = [0, 0, 0]
  const answers: Array<() => void> = []
  const shared: CountStrikes = async ({ size }) => {
    t.ok(size <= MAX_STRUCK_PER_CALL)
    counted += size
    most = Math.max(most, ++running)
    if (counted <= 1) await new Promise<void>((resolve) => { answers.push(resolve) })
    running--
    return []
  }
  const { strikes } = setUp(t, { shared, local: away })
  strikes.add('first')
  await until('the call is under way', () => answers.length === 1)
  for (let i = 0; i < 50_000; i++) strikes.add(`n${i}`)
  for (const answer of answers) answer()
  await until('what waited is counted', () => counted === 10_001)
  t.equal(most, 1)
})

t.test('when both fail it is a fault that is told, and counting goes on', async (t) => {
  let calls = 0
  const { strikes, faults } = setUp(t, { shared: null, local: async (counts) => { calls++; return await away(counts) } })
  strikes.add('a')
  await until('it is told', () => faults.length === 1)
  strikes.add('a')
  await until('it is tried again', () => faults.length === 2)
  t.equal(calls, 4, 'each time once more')
})

t.test('after the end nobody is told', async (t) => {
  let answer = (_addresses: string[]): void => {}
  const { strikes, enough } = setUp(t, { shared: async () => await new Promise((resolve) => { answer = resolve }), local: away })
  let asked = false
  strikes.add('a')
  await until('it is asked', () => { answer(['a']); asked = enough.length > 0; return asked })
  strikes.add('b')
  strikes.close()
  answer(['b'])
  await new Promise((resolve) => setImmediate(resolve))
  t.same(enough, ['a'])
})
