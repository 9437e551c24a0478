import t from 'tap'
import { connect, connectRefused, freshAddress, type Refused } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { countLines, openOne, readMetric } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'

/** Lets a process run a moment in every so many ms only, as on a machine that has far too much to do. Returns how to stop. */
function throttle (pid: number, everyMs: number, runMs: number): () => void {
  process.kill(pid, 'SIGSTOP')
  let pause: NodeJS.Timeout | undefined
  const timer = setInterval(() => {
    process.kill(pid, 'SIGCONT')
    pause = setTimeout(() => { process.kill(pid, 'SIGSTOP') }, runMs)
  }, everyMs)
  return () => {
    clearInterval(timer)
    clearTimeout(pause)
    process.kill(pid, 'SIGCONT')
  }
}

t.test('a process that gets too little time', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice' })}`, { from: freshAddress() })
  await client.nextOf('welcome')
  await until('it is on time', async () => await readMetric(gateway, 'portcullis_event_loop_late') === 0)
  const before = countLines(gateway, 'server.overloaded')
  const stop = throttle(gateway.pid, 800, 30)
  t.teardown(stop)

  await t.test('refuses upgrades as overloaded, whatever token they bring', async (t) => {
    await until('it is told', () => countLines(gateway, 'server.overloaded') > before)
    t.ok(Number(gateway.log.filter(line => line.event === 'server.overloaded').at(-1)?.['delay_ms']) >= 500)
    const refused: Refused[] = []
    for (const token of [issuer.sign({ sub: 'bob' }), 'noise']) refused.push(await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() }))
    for (const { status, headers, body } of refused) {
      t.same([status, body['error']], [503, 'overloaded'])
      t.match(headers['retry-after'], /^[1-9]\d*$/)
    }
    t.match(await gateway.waitForLog('connection.refused'), { reason: 'overloaded', detail: 'event loop' })
    t.equal(await readMetric(gateway, 'portcullis_event_loop_late'), 1)
  })

  await t.test('goes on serving the open socket', async () => {
    client.send({ type: 'ping' })
    await client.nextOf('pong')
  })

  await t.test('takes upgrades again when it has its time back, and told each once', async (t) => {
    stop()
    await until('it is told', () => countLines(gateway, 'server.recovered') === countLines(gateway, 'server.overloaded'))
    await until('an upgrade is accepted', async () => await openOne(t, gateway, issuer.sign({ sub: 'bob' })).then(() => true, () => false))
    t.equal(await readMetric(gateway, 'portcullis_event_loop_late'), 0)
    t.equal(client.socket.readyState, client.socket.OPEN)
  })
})
