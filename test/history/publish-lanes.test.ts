import t from 'tap'
import { createPublishLanes } from '../../src/history/publish-lanes.js'
import { outcomeOfOperation } from '../../src/operation-fault.js'
import { until } from '../support/until.js'

interface Sent { readonly publication: number, answer (error?: Error): void }

/** Lanes by a clock of the test, over a store that answers when the test says so. */
function setUp ({ timeoutMs = 1000, waitMs = 10_000 } = {}) {
  let nowMs = 0
  const waits = new Set<{ readonly dueAtMs: number, readonly call: () => void }>()
  const sent: Sent[] = []
  const outcomes = new Map<number, string>()
  const lanes = createPublishLanes<number, string>({
    most: 1,
    mostBytes: 1000,
    bytesOf: () => 1,
    together: (work) => { work() },
    timeoutMs,
    waitMs,
    now: () => nowMs,
    after (ms, call) {
      const wait = { dueAtMs: nowMs + ms, call }
      waits.add(wait)
      return () => { waits.delete(wait) }
    },
    send: async ([publication = 0]) => await new Promise((resolve, reject) => {
      sent.push({ publication, answer (error) { if (error === undefined) resolve([{ status: 'fulfilled', value: 'done' }]); else reject(error) } })
    })
  })
  return {
    sent,
    outcomes,
    lanes,
    waits,
    publish (...publications: number[]) {
      for (const one of publications) void lanes.publish('agent:1', [one]).then(([result]) => { outcomes.set(one, result?.status === 'rejected' ? outcomeOfOperation(result.reason) : 'done') })
    },
    /** Time goes on; whose wait ends is told. */
    pass (ms: number) {
      nowMs += ms
      for (const wait of [...waits].filter(({ dueAtMs }) => dueAtMs <= nowMs)) if (waits.delete(wait)) wait.call()
    },
    untilSent: async (count: number) => { await until(`${count} are sent`, () => sent.length === count) },
    untilTold: async (count: number) => { await until(`${count} are told`, () => outcomes.size === count) }
  }
}

t.test('who waits for many others is not given up while they are answered one by one', async (t) => {
  const { sent, outcomes, waits, publish, pass, untilSent, untilTold } = setUp()
  publish(1, 2, 3, 4, 5)
  for (let n = 1; n <= 5; n++) {
    await untilSent(n)
    pass(900)
    sent[n - 1]?.answer()
  }
  await untilTold(5)
  t.same([...outcomes], [1, 2, 3, 4, 5].map(n => [n, 'done']))
  t.equal(waits.size, 0, 'no timer is left')
})

t.test('one that is not answered may have been done; those behind it are undone, and stay so', async (t) => {
  const { sent, outcomes, publish, pass, untilSent, untilTold } = setUp()
  publish(1, 2, 3)
  await untilSent(1)
  pass(999)
  t.equal(outcomes.size, 0)
  pass(1)
  await untilTold(3)
  t.same([...outcomes], [[1, 'unknown'], [2, 'undone'], [3, 'undone']])
  publish(4)
  sent[0]?.answer()
  await untilSent(2)
  t.equal(sent[1]?.publication, 4, 'what was told to be undone is not sent after all')
  sent[1]?.answer()
  await untilTold(4)
  t.equal(outcomes.get(4), 'done')
})

t.test('the events of one request share a wait, and each is told by itself, in order', async (t) => {
  const { lanes, sent, waits, pass, untilSent } = setUp()
  const publishing = lanes.publish('agent:1', [1, 2, 3])
  await untilSent(1)
  t.equal(waits.size, 1, 'one timer')
  sent[0]?.answer()
  await untilSent(2)
  pass(1000)
  const results = await publishing
  t.same(results.map(({ status }) => status), ['fulfilled', 'rejected', 'rejected'])
  t.same(results.flatMap(result => result.status === 'rejected' ? [outcomeOfOperation(result.reason)] : []), ['unknown', 'undone'])
  sent[1]?.answer()
  t.same(await lanes.publish('agent:2', []), [], 'of none there is nothing to wait for')
  t.equal(waits.size, 0)
  t.equal(sent.length, 2, 'what was told to be undone is not sent after all')
})

t.test('nobody waits longer than may be, however slowly others are answered', async (t) => {
  const { sent, outcomes, publish, pass, untilSent, untilTold } = setUp({ waitMs: 2500 })
  publish(1, 2, 3, 4, 5)
  for (let n = 1; n <= 3; n++) {
    await untilSent(n)
    pass(900)
    sent[n - 1]?.answer()
    await untilTold(n === 3 ? 5 : n)
  }
  t.same([...outcomes].toSorted(), [[1, 'done'], [2, 'done'], [3, 'done'], [4, 'undone'], [5, 'undone']])
})
