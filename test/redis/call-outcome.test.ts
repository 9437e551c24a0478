import { ReplyError } from '#ioredis'
import t from 'tap'
import { RedisTimeout } from '../../src/redis/bounded-wait.js'
import { outcomeOf } from '../../src/redis/call-outcome.js'
import { openClient } from '../bus/clients.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

t.test('what Redis says before it does anything, after a part, and not at all', async (t) => {
  const said = (text: string): string => outcomeOf(new ReplyError(text))
  t.equal(said("READONLY You can't write against a read only replica."), 'undone')
  t.equal(said('OOM command not allowed when used memory > \'maxmemory\'.'), 'undone')
  t.equal(said("NOPERM User gate has no permissions to run the 'eval' command"), 'undone')
  t.equal(said('ERR The user executing the script can\'t run this command or subcommand script: 1, on @user_script:1.'), 'refused')
  t.equal(said('WRONGTYPE Operation against a key'), 'refused')
  t.equal(outcomeOf(new RedisTimeout('x')), 'unknown')
  t.equal(outcomeOf('thrown'), 'unknown')
})

t.test('a real client: a command that is not sent is undone, and one whose connection ends before the answer is not known', async (t) => {
  const redis = await startRedis(t)
  const client = await openClient(t, redis)
  redis.pause()
  const asked = client.set('a', '1').then(() => null, (error: unknown) => error)
  client.disconnect(true)
  t.equal(outcomeOf(await asked), 'unknown')
  await until('it has no connection', () => client.status !== 'ready')
  t.equal(outcomeOf(await client.set('a', '1').then(() => null, (error: unknown) => error)), 'undone')
  redis.resume()
})
