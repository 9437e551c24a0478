import t from 'tap'
import { waitAtMost } from '../../src/redis/bounded-wait.js'

t.test('work that ends in time is what comes of it', async (t) => {
  t.equal(await waitAtMost(Promise.resolve(7), 60_000, 'it'), 7)
  await t.rejects(waitAtMost(Promise.reject(new Error('no')), 60_000, 'it'), { name: 'Error', message: 'no' })
})

t.test('work that takes longer is given up by name, and its late failure is nobody\'s', async (t) => {
  let fail = (_error: Error): void => {}
  const work = new Promise<never>((_resolve, reject) => { fail = reject })
  await t.rejects(waitAtMost(work, 1, 'it'), { name: 'RedisTimeout', message: 'it took longer than 1 ms' })
  fail(new Error('late'))
  await new Promise((resolve) => { setImmediate(resolve) })
})
