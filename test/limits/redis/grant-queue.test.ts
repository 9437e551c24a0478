import t from 'tap'
import { createGrantQueue, type PendingGrant } from '../../../src/limits/redis/grant-queue.js'

const AWAY = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
const turn = async (): Promise<void> => { await new Promise((resolve) => { setImmediate(resolve) }) }

/** A queue whose calls end when the test says so, and what became of each grant. */
function makeQueue (perCall: number) {
  const calls: Array<{ readonly names: readonly string[], end (error?: Error): void }> = []
  const outcomes: string[] = []
  const queue = createGrantQueue(async (asked) => {
    await new Promise<void>((resolve, reject) => {
      calls.push({ names: asked.map(({ nonce }) => nonce), end: (error) => { if (error === undefined) resolve(); else reject(error) } })
    })
    for (const { resolve } of asked) resolve({ id: '', granted: 1, retryAfterMs: 0, unsettledMs: 0 })
  }, perCall)
  const add = (...nonces: string[]): void => {
    for (const nonce of nonces) {
      queue.add({
        request: { address: nonce, demand: 1, spare: 0 },
        settled: [],
        nonce,
        resolve: () => { outcomes.push(nonce) },
        reject: (error) => { outcomes.push(`${nonce}: ${String(error)}`) }
      } satisfies PendingGrant)
    }
  }
  return { queue, calls, outcomes, add, sent: () => calls.map(({ names }) => names.join('')) }
}

t.test('what one turn brings is one call, and what comes while it is out is the next', async (t) => {
  const { calls, outcomes, add, sent } = makeQueue(500)
  add('a', 'b')
  t.same(sent(), [])
  await turn()
  add('c')
  await turn()
  add('d')
  await turn()
  t.same(sent(), ['ab'])
  calls[0]?.end()
  await turn()
  await turn()
  t.same(sent(), ['ab', 'cd'])
  calls[1]?.end()
  await turn()
  t.same(outcomes, ['a', 'b', 'c', 'd'])
})

t.test('on a cluster each goes by itself, and waits for no other', async (t) => {
  const { add, sent } = makeQueue(1)
  add('a', 'b')
  await turn()
  add('c')
  await turn()
  t.same(sent(), ['a', 'b', 'c'])
})

t.test('a store that is away fails those that wait as well; another failure is of its call alone', async (t) => {
  for (const [error, wanted] of [[AWAY, ['a', 'b']], [new Error('odd'), ['a']]] as const) {
    const { calls, outcomes, add, sent } = makeQueue(500)
    add('a')
    await turn()
    add('b')
    calls[0]?.end(error)
    await turn()
    await turn()
    t.same(outcomes, wanted.map((name) => `${name}: ${String(error)}`))
    t.same(sent(), error === AWAY ? ['a'] : ['a', 'b'])
    add('c')
    if (error === AWAY) await turn()
    else calls[1]?.end()
    await turn()
    await turn()
    t.equal(sent().at(-1), 'c', 'and the next one is asked for again')
  }
})

t.test('what waits goes out at once when it must, also while a call is out', async (t) => {
  const { queue, add, sent } = makeQueue(500)
  add('a')
  await turn()
  add('b')
  queue.flush()
  t.same(sent(), ['a', 'b'])
  await turn()
  t.same(sent(), ['a', 'b'])
})
