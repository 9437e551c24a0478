import { Redis } from '#ioredis'
import t from 'tap'
import { SUBSCRIBER_OPTIONS } from '../../src/bus/subscriber-options.js'
import { Subscriber } from '../../src/bus/subscriber.js'
import { failedCommand } from '../../src/redis/failed-command.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

t.test('what is lost is said to be lost since the connection last answered, which it is asked again and again', async (t) => {
  const server = await startRedis(t)
  const warnings: string[] = []
  const warn = ({ name, message }: Error): void => { warnings.push(`${name}: ${message}`) }
  process.on('warning', warn)
  t.teardown(() => { process.off('warning', warn) })
  const lost: Array<readonly [readonly string[], number]> = []
  let confirmed = 0
  const subscriber = new Subscriber({
    redis: new Redis(server.url, SUBSCRIBER_OPTIONS),
    verbs: ['subscribe'],
    commands: () => null,
    onMisplaced: () => {},
    heartbeatMs: 20,
    handlers: {
      onMessage: () => {},
      onConfirmed: () => { confirmed++ },
      onRefused: () => {},
      onDenied: () => {},
      onLost: (channels, sinceMs) => { lost.push([channels, sinceMs]) }
    }
  })
  t.teardown(() => { subscriber.close() })
  const pings = async (): Promise<number> => Number(/cmdstat_ping:calls=(\d+)/.exec(await server.client.info('commandstats'))?.[1] ?? 0)
  const beats = async (more: number): Promise<void> => {
    const before = await pings()
    await until('it was asked again', async () => await pings() >= before + more)
  }
  subscriber.want('channel')
  await until('it is subscribed', () => confirmed === 1)
  const subscribedAtMs = Date.now()
  await beats(3)
  server.pause()
  const pausedAtMs = Date.now()
  // The time-out of a heartbeat: nothing else tells of a connection that died without a word.
  await until('the loss is noticed', () => lost.length === 1)
  const [channels, sinceMs] = lost[0] ?? [[], 0]
  t.same(channels, ['channel'])
  t.ok(sinceMs >= subscribedAtMs, 'an answered heartbeat moves it on')
  t.ok(sinceMs <= pausedAtMs, 'and one that is not answered does not')
  t.same(warnings, [], 'the connection is left once, however many heartbeats go unanswered')
})

t.test('a right that is missing to PING or UNSUBSCRIBE is told, and the connection goes on', async (t) => {
  const server = await startRedis(t)
  await server.client.call('ACL', 'SETUSER', 'gate', 'on', '>pass', '~*', '&*', '+@all', '-ping', '-unsubscribe')
  const denied: string[] = []
  const lost: unknown[] = []
  let [confirmed, heard] = [0, 0]
  const subscriber = new Subscriber({
    redis: new Redis(server.url.replace('//', '//gate:pass@'), SUBSCRIBER_OPTIONS),
    verbs: ['subscribe'],
    commands: () => null,
    onMisplaced: () => {},
    heartbeatMs: 20,
    handlers: {
      onMessage: () => { heard++ },
      onConfirmed: () => { confirmed++ },
      onRefused: () => {},
      onDenied: (error) => { denied.push(failedCommand(error)?.command ?? '') },
      onLost: (channels) => { lost.push(channels) }
    }
  })
  t.teardown(() => { subscriber.close() })
  subscriber.want('channel')
  subscriber.want('other')
  await until('both are subscribed', () => confirmed === 1)
  await until('it was asked again and again', () => denied.filter(command => command === 'ping').length >= 3)
  subscriber.drop('other')
  await until('it is told', () => denied.includes('unsubscribe'))
  await server.client.publish('channel', 'message')
  await until('it is heard', () => heard === 1)
  t.same(lost, [])
})
