import t, { type Test } from 'tap'
import { AccessError, UnsafeDatabaseError } from '../../src/access/access-error.js'
import { createBreaker, type Breaker } from '../../src/access/breaker.js'

const fail = async (): Promise<never> => { throw new AccessError('no answer') }
const refuse = async (): Promise<never> => { throw new AccessError('these claims cannot be decided', true) }
const succeed = async (): Promise<string> => 'ok'
const settled = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }
const OPEN = { name: 'AccessError', message: 'the back end is away; not asked again yet' }

interface Bench {
  readonly breaker: Breaker
  /** What the probe says from now on: null is well. */
  says (error: Error | null): void
  advance (ms: number): void
  readonly probes: () => number
  /** What was told about safety, in order. */
  readonly told: Array<string | null>
}

function setUp (t: Test): Bench {
  let [nowMs, probes, answer] = [0, 0, null as Error | null]
  const told: Array<string | null> = []
  const breaker = createBreaker({
    probe: async () => {
      probes++
      if (answer !== null) throw answer
    },
    failures: 3,
    openMs: 1000,
    now: () => nowMs,
    onUnsafe: (error) => { told.push(error?.message ?? null) }
  })
  t.teardown(() => { breaker.close() })
  return { breaker, says: (error) => { answer = error }, advance: (ms) => { nowMs += ms }, probes: () => probes, told }
}

/** Fails as often as it takes. */
async function failUntilProbed ({ breaker }: Bench): Promise<void> {
  for (let failure = 0; failure < 3; failure++) await breaker.run(fail).catch(() => {})
  await settled()
}

t.test('it opens when the probe fails, which is asked after so many failures in a row, not before', async (t) => {
  const bench = setUp(t)
  const { breaker } = bench
  bench.says(new AccessError('away'))
  for (const work of [fail, fail, succeed, fail, fail]) await breaker.run<string>(work).catch(() => {})
  await settled()
  t.equal(bench.probes(), 0)
  t.equal(await breaker.run(succeed), 'ok')
  await failUntilProbed(bench)
  t.equal(bench.probes(), 1)
  await t.rejects(breaker.run(succeed), OPEN)
})

t.test('whatever questions fail, it stays closed while the probe is answered: they were about themselves', async (t) => {
  const bench = setUp(t)
  for (let round = 0; round < 10; round++) {
    await failUntilProbed(bench)
    t.equal(await bench.breaker.run(succeed), 'ok')
  }
  t.equal(bench.probes(), 10)
})

t.test('after the pause the probe is asked, not a user\'s question; its success lets the question run', async (t) => {
  const bench = setUp(t)
  const { breaker } = bench
  bench.says(new AccessError('away'))
  await failUntilProbed(bench)
  bench.advance(999)
  await t.rejects(breaker.run(succeed), OPEN)
  bench.advance(1)
  await t.rejects(breaker.run(succeed), OPEN)
  t.equal(bench.probes(), 2)
  bench.says(null)
  await t.rejects(breaker.run(succeed), OPEN, 'another pause')
  bench.advance(1000)
  await t.rejects(breaker.run(fail), { message: 'no answer' }, 'it was asked')
  t.equal(await breaker.run(succeed), 'ok')
})

t.test('an error that the back end answered with is no failure', async (t) => {
  const bench = setUp(t)
  bench.says(new AccessError('away'))
  for (let attempt = 0; attempt < 5; attempt++) await t.rejects(bench.breaker.run(refuse), { name: 'AccessError', message: 'these claims cannot be decided' })
  t.equal(await bench.breaker.run(succeed), 'ok')
  t.equal(bench.probes(), 0)
})

t.test('one check that finds the back end unsafe closes it for all, until the probe finds it safe', async (t) => {
  const bench = setUp(t)
  const { breaker, told } = bench
  const unsafe = new UnsafeDatabaseError(['row level security is off'])
  bench.says(unsafe)
  await t.rejects(breaker.run(async () => { throw unsafe }), unsafe)
  t.equal(breaker.unsafe, unsafe)
  t.same(told, [unsafe.message])
  await t.rejects(breaker.run(succeed), unsafe)
  bench.advance(1000)
  await t.rejects(breaker.run(succeed), unsafe)
  t.same(told, [unsafe.message], 'told once')
  bench.says(new AccessError('away'))
  bench.advance(1000)
  await t.rejects(breaker.run(succeed), unsafe, 'away is not safe')
  bench.says(null)
  bench.advance(1000)
  t.equal(await breaker.run(succeed), 'ok')
  t.same(told, [unsafe.message, null])
})

t.test('a probe that was asked before it was found unsafe does not make it safe', async (t) => {
  let answer = (): void => {}
  const breaker = createBreaker({
    probe: async () => { await new Promise<void>((resolve) => { answer = resolve }) },
    failures: 1,
    openMs: 1000,
    now: () => 0,
    onUnsafe: () => {}
  })
  t.teardown(() => { breaker.close() })
  await t.rejects(breaker.run(fail))
  const unsafe = new UnsafeDatabaseError(['row level security is off'])
  await t.rejects(breaker.run(async () => { throw unsafe }), unsafe)
  answer()
  await settled()
  await t.rejects(breaker.run(succeed), unsafe)
})
