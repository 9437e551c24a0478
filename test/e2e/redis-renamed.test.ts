// A fail-over that a name tells of, as a managed Redis does it: the name leads to another address, and old connections stay open.
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { openOne } from '../support/held-sockets.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const NAME = 'redis.test'
const [OLD, NEXT] = ['127.0.0.1', '127.0.0.2'] as const

/** A relay on an address of its own; it never ends a connection. */
async function relay (t: Test, host: string, port: number, targetPort: number): Promise<void> {
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1')
    for (const [from, to] of [[near, far], [far, near]] as const) {
      from.pipe(to)
      from.on('error', () => {})
      from.on('close', () => { to.destroy() })
    }
  })
  server.listen(port, host)
  await once(server, 'listening')
  t.teardown(() => { server.close() })
}

/** The resolver of a process, for one name: what the file `address` holds at that moment. Each question is a line of `questions`. */
const resolver = (address: string, questions: string): string => `
const dns = require('node:dns'); const fs = require('node:fs'); const real = dns.lookup
dns.lookup = (name, options, done) => {
  if (name !== '${NAME}') return real(name, options, done)
  const address = fs.readFileSync('${address}', 'utf8')
  fs.appendFileSync('${questions}', address + '\\n')
  process.nextTick(() => options.all ? done(null, [{ address, family: 4 }]) : done(null, address, 4))
}`

t.test('a name that leads to the new master is looked up again, though no old connection ends: whom `closed` kept out gets in', async (t) => {
  const [issuer, old, next, port] = await Promise.all([startIssuer(t), startRedis(t), startRedis(t), findFreePort()])
  await Promise.all([relay(t, OLD, port, old.port), relay(t, NEXT, port, next.port)])
  const folder = t.testdir({ address: OLD, questions: '' })
  const [address, questions, hook] = ['address', 'questions', 'hook.cjs'].map(name => join(folder, name)) as [string, string, string]
  writeFileSync(hook, resolver(address, questions))
  const gateway = await startGateway(t, {
    ...trust(issuer), REDIS_URL: `redis://${NAME}:${port}`, WS_LIMITS_ON_REDIS_DOWN: 'closed', NODE_OPTIONS: `--require ${hook}`
  })
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  await openOne(t, gateway, issuer.sign({ sub: 'alice' }))
  t.same(readFileSync(questions, 'utf8').includes(NEXT), false)

  writeFileSync(address, NEXT)
  await old.client.call('REPLICAOF', '127.0.0.1', next.port)
  let refused = 0
  await until('somebody gets in', async () => await openOne(t, gateway, issuer.sign({ sub: 'bob' })).then(() => true, () => ++refused < 0))
  t.ok(refused > 0, 'the old master could not be written to')
  t.ok(readFileSync(questions, 'utf8').includes(NEXT))
  t.equal(await next.client.zcard('ws:ratelimit:user:bob'), 1, 'it was decided there')
  await until('orders are heard there', async () => String(await next.client.call('PUBSUB', 'CHANNELS', 'ws:control')) === 'ws:control')
  t.equal((await gateway.admin('/readyz')).status, 200)
})
