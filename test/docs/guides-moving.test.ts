import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'
import { readDocument } from './documents.js'

const AFTER = /^```js after\n([^]*?)^```$/m.exec(readDocument('guides/moving-from-fastify-websocket.md'))?.[1] ?? ''

t.test('the guide\'s back end reads what clients send and answers with events, also after nonsense', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const file = join(t.testdir({}), 'back-end.mjs')
  await writeFile(file, AFTER)
  const backEnd = spawn(process.execPath, [file], { env: { REDIS_URL: redis.url }, stdio: ['ignore', 'inherit', 'pipe'] })
  let errors = ''
  backEnd.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const exited = once(backEnd, 'exit')
  t.teardown(async () => {
    backEnd.kill('SIGKILL')
    await exited
  })
  const token = issuer.sign({ sub: 'alice', agents: ['a:1'], scope: 'ws:send' })
  const client = await connect(t, gateway, '/ws?agent_ids=a:1', { from: freshAddress(), headers: { authorization: `Bearer ${token}` } })
  await client.nextOf('subscribed')
  for (const data of [null, { action: 'start' }]) {
    client.send({ type: 'send', to: 'agent:a:1', data })
    t.same(await client.nextOf('sent'), { type: 'sent' })
  }
  t.match(await client.nextOf('event'), { topic: 'agent:a:1', event: 'status', data: { state: 'busy', by: 'alice' } })
  await until('everything is acknowledged and deleted', async () => await redis.client.xlen('ws:inbound') === 0)
  t.match(errors, /^not handled \d+-0 TypeError/)
  t.equal(backEnd.exitCode, null, 'it runs on')
})
