import t from 'tap'
import { RedisTimeout } from '../../src/redis/bounded-wait.js'
import { openIpcPeer, type Channel, type IpcPeer, type Methods } from '../../src/supervisor/ipc-peer.js'

/** Two ends joined as a channel of the operating system joins them: later, and by copies. */
function joinEnds (methods: Methods): { near: IpcPeer, far: IpcPeer } {
  const listeners: Array<(message: unknown) => void> = []
  const channelTo = (own: number, other: number): Channel => ({
    send: (message) => { setImmediate(() => { listeners[other]?.(JSON.parse(JSON.stringify(message))) }) },
    onMessage: (listener) => { listeners[own] = listener }
  })
  return { near: openIpcPeer(channelTo(0, 1), {}), far: openIpcPeer(channelTo(1, 0), methods) }
}

t.test('a call is answered with its value, each with its own', async (t) => {
  const { near } = joinEnds({ double: (n: number) => n * 2, later: async (text: string) => await Promise.resolve(text) })
  t.same(await Promise.all([near.call('double', [2]), near.call('later', ['x']), near.call('double', [4])]), [4, 'x', 8])
})

t.test('a method that throws, rejects or does not exist rejects the call, with the cause in our words and none of its own', async (t) => {
  const { near } = joinEnds({ throws: () => { throw new TypeError('secret') }, rejects: async () => await Promise.reject(new RedisTimeout('secret')) })
  await t.rejects(near.call('throws'), { message: 'a fault of the gateway (TypeError): please report it' })
  await t.rejects(near.call('rejects'), { message: 'Redis cannot do it now: it does not answer in time' })
  await t.rejects(near.call('missing'), { message: 'no such call' })
})

t.test('silence ends a call at its own time; an answer that comes later is dropped', async (t) => {
  let answer = (): void => {}
  const { near } = joinEnds({
    slow: async () => { await new Promise<void>((resolve) => { answer = resolve }) },
    quick: () => 1
  })
  // A call that waits keeps no process alive.
  const busy = setInterval(() => {}, 1000)
  t.teardown(() => { clearInterval(busy) })
  await t.rejects(near.call('slow', [], 20), { message: 'a worker did not answer in time' })
  answer()
  t.equal(await near.call('quick'), 1)
})

t.test('an end that is lost rejects what waits for it', async (t) => {
  const { near } = joinEnds({ never: async () => { await new Promise(() => {}) } })
  const calls = [near.call('never'), near.call('never')]
  near.lost()
  for (const call of calls) await t.rejects(call, { message: 'a worker ended meanwhile' })
})
