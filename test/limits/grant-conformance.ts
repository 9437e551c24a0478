import type { Test } from 'tap'
import { GRANT_SETTLE_MS, type Limiter, type LimitSettings } from '../../src/limits/limiter.js'
import type { MakeSubject } from './limiter-conformance.js'

const ADDRESS = '192.0.2.1'

/** What a message window's grants do with every limiter. */
export function testGrants (t: Test, make: MakeSubject, settings: LimitSettings): void {
  const ask = async (limiter: Limiter, demand: number, spare: number) => await limiter.takeGrant({ address: ADDRESS, demand, spare }, [])

  t.test('a hundred messages are granted, not one more, until the oldest leaves', async (t) => {
    const { limiter, clock } = await make(t, settings)
    t.match(await ask(limiter, 60, 0), { granted: 60, retryAfterMs: 0 })
    clock.advance(10)
    t.match(await ask(limiter, 60, 50), { granted: 40, retryAfterMs: 59_990 })
    t.match(await ask(limiter, 1, 0), { granted: 0, retryAfterMs: 59_990 })
    clock.advance(59_989)
    t.match(await ask(limiter, 1, 0), { granted: 0, retryAfterMs: 1 })
    clock.advance(1)
    t.match(await ask(limiter, 61, 0), { granted: 60 })
  })

  t.test('a grant shrinks towards the end of the window, and is single at it', async (t) => {
    const { limiter } = await make(t, settings)
    const sizes: number[] = []
    for (let left = 100; left > 0; left -= sizes.at(-1) ?? left) sizes.push((await ask(limiter, 1, 256)).granted)
    t.ok(sizes.length <= 10, `${sizes.length} calls for 100 messages`)
    t.same(sizes.slice(-3), [1, 1, 1])
    t.equal((await ask(limiter, 1, 256)).granted, 0)
  })

  t.test('what a grant did not spend goes back, and what it spent counts from when it was spent', async (t) => {
    const { limiter, clock } = await make(t, settings)
    const grant = await ask(limiter, 1, 256)
    t.equal(grant.granted, 50)
    clock.advance(700)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 50, spent: 11, lastSpentMs: 500 }])
    t.match(await ask(limiter, 100, 0), { granted: 89, retryAfterMs: 59_300 }, 'the first one left at 60,000')
    clock.advance(59_300)
    t.match(await ask(limiter, 2, 0), { granted: 1, retryAfterMs: 500 }, 'the other ten at 60,500')
    clock.advance(500)
    t.match(await ask(limiter, 100, 0), { granted: 10 })
  })

  t.test('a grant that is never settled counts as spent when the time to settle it is over', async (t) => {
    const { limiter, clock } = await make(t, settings)
    await ask(limiter, 1, 256)
    await ask(limiter, 50, 0)
    clock.advance(settings.messageWindowMs)
    t.equal((await ask(limiter, 100, 0)).granted, 51)
    clock.advance(GRANT_SETTLE_MS)
    t.equal((await ask(limiter, 100, 0)).granted, 49)
  })

  t.test('grants are settled in the call that takes the next one', async (t) => {
    const { limiter } = await make(t, settings)
    const { id, granted } = await ask(limiter, 1, 256)
    const settlement = { address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 }
    const next = await limiter.takeGrant({ address: ADDRESS, demand: 99, spare: 0 }, [settlement])
    t.equal(next.granted, 99)
  })

  for (const messages of [100, 5000]) {
    t.test(`a window of ${messages} that only unsettled grants make full says how long, one that is spent does not`, async (t) => {
      const { limiter, clock } = await make(t, { ...settings, messages })
      const grant = await ask(limiter, messages - 40, 20)
      t.equal(grant.granted, messages - 20)
      clock.advance(300)
      t.match(await ask(limiter, 30, 0), { granted: 20, unsettledMs: GRANT_SETTLE_MS - 300 })
      t.match(await ask(limiter, 1, 0), { granted: 0, unsettledMs: GRANT_SETTLE_MS - 300 })
      limiter.settle([{ address: ADDRESS, id: grant.id, granted: messages - 20, spent: messages - 25, lastSpentMs: 300 }])
      const last = await ask(limiter, 9, 0)
      t.match(last, { granted: 5, unsettledMs: 0 }, 'what came back is taken, what was spent is not')
      t.ok(last.retryAfterMs > 50_000, `${last.retryAfterMs} ms`)
    })

    t.test(`a grant under a limit of ${messages} that nobody settles counts as spent in the end, and no longer as lent`, async (t) => {
      const { limiter, clock } = await make(t, { ...settings, messages })
      await ask(limiter, messages - 40, 20)
      clock.advance(GRANT_SETTLE_MS - 1)
      t.match(await ask(limiter, 21, 0), { granted: 20, unsettledMs: 1 })
      clock.advance(1)
      t.match(await ask(limiter, 1, 0), { granted: 0, unsettledMs: 0 })
    })
  }

  t.test('what is said to be spent later than now counts as spent now', async (t) => {
    const { limiter } = await make(t, settings)
    const grant = await ask(limiter, 1, 256)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 50, spent: 50, lastSpentMs: 700 }])
    t.match(await ask(limiter, 51, 0), { granted: 50, retryAfterMs: settings.messageWindowMs, unsettledMs: 0 })
  })

  t.test('settling after the window has gone changes nothing', async (t) => {
    const { limiter, clock } = await make(t, settings)
    const { id, granted } = await ask(limiter, 1, 256)
    clock.advance(200_000)
    limiter.settle([{ address: ADDRESS, id, granted, spent: 1, lastSpentMs: 0 }])
    t.match(await ask(limiter, 101, 0), { granted: 100 })
  })

  t.test('a message limit above 1000 is kept in every window, unspent parts go back', async (t) => {
    const { limiter, clock } = await make(t, { ...settings, messages: 5000 })
    const grant = await ask(limiter, 10, 256)
    t.equal(grant.granted, 266)
    limiter.settle([{ address: ADDRESS, id: grant.id, granted: 266, spent: 20, lastSpentMs: 900 }])
    const rest = await ask(limiter, 6000, 256)
    t.equal(rest.granted, 4980)
    clock.advance(rest.retryAfterMs - 1)
    t.equal((await ask(limiter, 1, 0)).granted, 0)
    clock.advance(1)
    t.ok((await ask(limiter, 1, 0)).granted > 0)
    t.ok(rest.retryAfterMs >= 60_000 && rest.retryAfterMs < 63_000, `${rest.retryAfterMs} ms`)
  })
}
