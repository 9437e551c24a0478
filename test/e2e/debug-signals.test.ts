import { once } from 'node:events'
import t from 'tap'
import WebSocket from 'ws'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { findWorker } from '../support/workers.js'

/** What Node writes as it opens its debugger, and when somebody connects to it. */
const DEBUGGER = /Debugger|inspector/i

t.test('SIGUSR1 and SIGUSR2 open no debugger and end nothing: one process, a supervisor and its worker', async (t) => {
  const issuer = await startIssuer(t)
  const redis = await startRedis(t)
  for (const workers of [1, 2]) {
    const together = workers === 1 ? {} : { WORKERS: String(workers), REDIS_URL: redis.url, PORT: String(await findFreePort()) }
    const gateway = await startGateway(t, { ...trust(issuer), ...together })
    const pids = workers === 1 ? [gateway.pid] : [gateway.pid, await findWorker(gateway.pid, 1), await findWorker(gateway.pid, 2)]
    // While its code is still being loaded a process has no listener yet.
    for (const worker of workers === 1 ? [] : [1, 2]) await gateway.waitForLog('worker.started', line => line['worker'] === worker)
    for (const pid of pids) for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) process.kill(pid, signal)
    // Signals are delivered in order, and this one is answered by a line.
    gateway.signal('SIGHUP')
    await gateway.waitForLog('tls.absent')
    const socket = new WebSocket(gateway.url(`/ws?token=${issuer.sign()}`))
    t.teardown(() => { socket.terminate() })
    const [data] = await once(socket, 'message') as [Buffer]
    t.match(JSON.parse(String(data)), { type: 'welcome' }, `${workers} workers serve`)
    t.notMatch(gateway.stderr(), DEBUGGER)
    t.equal(gateway.log.some(({ event }) => event === 'worker.exited'), false, 'no worker has ended')
  }
})
