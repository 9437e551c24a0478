import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
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

t.test('an answer that has come while the process was busy counts, though the time is over', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
  t.teardown(() => {
    client.destroy()
    server.close()
  })
  const answered = once(client, 'data').then(() => 'the answer')
  const waiting = waitAtMost(answered, 1, 'it')
  peer.write('x')
  const busyUntilMs = performance.now() + 50
  while (performance.now() < busyUntilMs);
  t.equal(await waiting, 'the answer')
})
