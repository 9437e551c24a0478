// Workers that die, or are late, while the supervisor starts them.
import t from 'tap'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { findWorker, isWorker, workerOf } from '../support/workers.js'

t.test('a worker that dies as it starts ends nobody, and it is not ready before each has stood', async (t) => {
  const [redis, issuer, port] = await Promise.all([startRedis(t), startIssuer(t), findFreePort()])
  // Without Redis a worker waits before it listens: so it is certain that each is still starting.
  await redis.stop()
  const env = { ...trust(issuer), REDIS_URL: redis.url, WORKERS: '2', PORT: String(port) }
  const gateway = await startGateway(t, env, { ready: false, first: 'worker.waiting' })
  const ready = async (): Promise<unknown> => {
    const answer = await gateway.admin('/readyz')
    return [answer.status, (await answer.json() as Record<string, unknown>)['workers_missing']]
  }
  await gateway.waitForLog('worker.waiting', ({ worker }) => worker === 1)
  await gateway.waitForLog('worker.waiting', ({ worker }) => worker === 2)
  t.same(await ready(), [503, [1, 2]])

  process.kill(await findWorker(gateway.pid, 1), 'SIGKILL')
  const died = await gateway.waitForLog('worker.exited')
  t.match(died, { worker: 1, signal: 'SIGKILL', restart_in_ms: 500 })
  await gateway.waitForLog('worker.waiting', line => line['worker'] === 1 && gateway.log.indexOf(line) > gateway.log.indexOf(died))

  const stopped = await findWorker(gateway.pid, 2)
  process.kill(stopped, 'SIGSTOP')
  t.teardown(async () => { if (await isWorker(stopped)) process.kill(stopped, 'SIGKILL') })
  await redis.restart()
  // By itself it is ready then.
  await gateway.waitForLog('jwks.refreshed', ({ node }) => workerOf(node) === '1')
  t.same(await ready(), [503, [2]], 'one of two is no start')
  process.kill(stopped, 'SIGKILL')
  await gateway.waitForLog('supervisor.started')
  await until('it is ready', async () => JSON.stringify(await ready()) === '[200,[]]')
  t.equal(gateway.stderr(), '')
})
