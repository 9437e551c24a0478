import t from 'tap'
import { MAX_TIMER_MS } from '../../packages/client/src/clock.js'
import { reconnectDelayMs } from '../../packages/client/src/reconnect-delay.js'
import { offenders } from '../support/offenders.js'

const backoff = { baseMs: 1000, capMs: 30_000 }
const wait = (more: Partial<Parameters<typeof reconnectDelayMs>[0]>): number =>
  reconnectDelayMs({ toldMs: 0, isSpread: false, failures: 0, backoff, random: 1, ...more })

t.test('the window doubles with every failure up to the cap', async (t) => {
  t.same([0, 1, 2, 3, 4, 5, 6, 5000].map(failures => wait({ failures })), [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000])
})

t.test('the jitter is full: any time of the window is as likely', async (t) => {
  t.same([0, 0.25, 0.5, 1].map(random => wait({ random, failures: 2 })), [0, 1000, 2000, 4000])
})

t.test('never sooner than was told', async (t) => {
  t.same([0, 0.5, 1].map(random => wait({ random, toldMs: 60_000, failures: 1 })), [60_000, 61_000, 62_000])
})

t.test('exactly then, when the gateway has spread its clients already', async (t) => {
  t.same([0, 1].map(random => wait({ random, toldMs: 2345, isSpread: true, failures: 9 })), [2345, 2345])
})

t.test('no told time makes a timer fire at once by overflow', async (t) => {
  t.same(await offenders([1e12, Infinity], toldMs => wait({ toldMs }) === MAX_TIMER_MS), [])
})
