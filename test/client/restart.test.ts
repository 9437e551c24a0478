import t from 'tap'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { observe } from './observed-client.js'
import { startRestartableGateway } from './restartable-gateway.js'

t.test('an office is back after its only gateway was away, though attempts in between met nobody', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startRestartableGateway(t, issuer, { REDIS_URL: redis.url, WS_IP_CONNECTIONS: '2', WS_DRAIN_SECONDS: '1' })
  await until('the key is there', async () => await redis.client.exists('ws:resume-key') === 1)
  const office = freshAddress()
  let bringBack = (): void => {}
  const back = new Promise<void>((resolve) => { bringBack = resolve })
  const passes: Array<string | undefined> = []
  const users = ['alice', 'bob'].map((sub) => {
    let asked = 0
    // From the fourth attempt on they wait for the new process: how long it takes to start counts for nothing.
    const token = async (): Promise<string> => {
      if (++asked > 3) await back
      return issuer.sign({ sub })
    }
    const observed = observe(t, { url: gateway.url, token, timeoutMs: 60_000 }, office)
    observed.client.on('closing', ({ resume }) => { passes.push(resume) })
    return observed
  })
  const waits = (): string[][] => users.map(({ states }) => states.flatMap(state => state.status === 'waiting' ? [state.because.name] : []))
  await Promise.all(users.map(async ({ reached }) => { await reached('open') }))

  gateway.current().signal('SIGTERM')
  t.equal(await gateway.current().exited, 0)
  await until('two attempts of each met nobody', () => waits().every(names => names.length === 3))
  await gateway.start()
  bringBack()
  await Promise.all(users.map(async ({ reached }) => { await reached('open', 2) }))
  t.match(passes, [/^.{116}$/, /^.{116}$/])
  const expected = ['restarting', 'connection_lost', 'connection_lost']
  t.same(waits(), [expected, expected], 'nobody was refused for the address')
})
