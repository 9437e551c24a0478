import t, { type Test } from 'tap'
import { openClient } from '../../src/redis/open-client.js'
import { watchSilence } from '../../src/redis/watch-silence.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

/** Time that passes when it is told to. */
function handTimers () {
  const due: Array<() => void> = []
  return {
    timers: { after: (_ms: number, call: () => void) => { due.push(call); return () => { due.length = 0 } } },
    look: () => { for (const call of due.splice(0)) call() },
    due
  }
}

async function setStage (t: Test) {
  const redis = await startRedis(t)
  const client = openClient({ url: redis.url }, 100, () => false)
  t.teardown(() => { client.disconnect() })
  client.on('error', () => {})
  await until('it is up', () => client.status === 'ready')
  return { redis, client }
}

t.test('a connection on which commands wait and nothing arrives is ended, and made anew', async (t) => {
  const { redis, client } = await setStage(t)
  const { timers, look } = handTimers()
  t.teardown(watchSilence(client, 4000, timers))
  redis.pause()
  await t.rejects(client.ping(), /timed out/)
  const errors: string[] = []
  client.on('error', ({ message }: Error) => { errors.push(message) })
  for (let looks = 0; looks < 4; looks++) look()
  t.equal(client.status, 'ready', 'not before its time')
  look()
  await until('it was ended', () => client.status !== 'ready')
  t.match(errors.join(), /Socket timeout: commands wait, and nothing has arrived for 4000 ms/)
  redis.resume()
  await until('it is back', () => client.status === 'ready')
  t.equal(await client.ping(), 'PONG')
})

t.test('one that answers stays, and so does one that is asked nothing', async (t) => {
  const { redis, client } = await setStage(t)
  const { timers, look } = handTimers()
  t.teardown(watchSilence(client, 4000, timers))
  for (let looks = 0; looks < 10; looks++) look()
  for (let looks = 0; looks < 10; looks++) {
    const answer = client.ping()
    look()
    await answer
  }
  redis.pause()
  await t.rejects(client.ping(), /timed out/)
  for (let looks = 0; looks < 3; looks++) look()
  redis.resume()
  await until('the late answer is there', () => 'commandQueue' in client && client.commandQueue.length === 0)
  for (let looks = 0; looks < 3; looks++) look()
  t.equal(client.status, 'ready')
})

t.test('a process that was stopped looks once and not often', async (t) => {
  const { client } = await setStage(t)
  const { timers, look, due } = handTimers()
  const stop = watchSilence(client, 4000, timers)
  look()
  t.equal(due.length, 1)
  stop()
  t.equal(due.length, 0)
})
