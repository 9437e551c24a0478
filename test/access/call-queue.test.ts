import t from 'tap'
import { createCallQueue, type CallQueue } from '../../src/access/call-queue.js'

const never = new AbortController().signal

interface Job {
  readonly outcome: Promise<string>
  finish (): void
}

/** Starts work that ends when told to; `started` gets its name once it runs. */
function start (queue: CallQueue, name: string, started: string[], signal: AbortSignal = never): Job {
  let finish = (): void => {}
  const done = new Promise<void>((resolve) => { finish = resolve })
  const outcome = queue.run(signal, async () => {
    started.push(name)
    await done
    return name
  })
  return { outcome, finish }
}

t.test('so many run, the next ones wait their turn, and one more is turned away', async (t) => {
  const started: string[] = []
  const queue = createCallQueue(2, 2)
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => start(queue, name, started))
  await t.rejects(start(queue, 'e', started).outcome, { name: 'AccessError', message: 'too many checks are waiting' })
  t.same(started, ['a', 'b'])
  b?.finish()
  t.equal(await b?.outcome, 'b')
  await Promise.resolve()
  t.same(started, ['a', 'b', 'c'])
  for (const job of [a, c, d]) job?.finish()
  t.equal(await d?.outcome, 'd')
})

t.test('whoever gives up frees its place in the queue, and takes no place later', async (t) => {
  const started: string[] = []
  const queue = createCallQueue(1, 1)
  const first = start(queue, 'first', started)
  const hurry = new AbortController()
  const impatient = start(queue, 'impatient', started, hurry.signal)
  hurry.abort()
  await t.rejects(impatient.outcome, { message: 'no place came free in time' })
  const patient = start(queue, 'patient', started)
  first.finish()
  patient.finish()
  t.equal(await patient.outcome, 'patient')
  t.same(started, ['first', 'patient'])
  await t.rejects(start(queue, 'late', started, hurry.signal).outcome, { message: 'no place came free in time' })
})

t.test('work that fails gives its place back', async (t) => {
  const queue = createCallQueue(1, 0)
  for (let attempt = 0; attempt < 3; attempt++) {
    await t.rejects(queue.run(never, async () => { throw new Error('broken') }), { message: 'broken' })
  }
  t.equal(await queue.run(never, async () => 'fine'), 'fine')
})
