import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type TestGateway } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { startTcpProxy } from '../support/tcp-proxy.js'
import { until } from '../support/until.js'

// What an operator or a back end is answered is what has become of the order or the event.
const ADMIN_TOKEN = 'an-admin-token-of-at-least-32-bytes'
const PUBLISH_KEY = 'a-publish-key-of-at-least-32-bytes'
const BANNED = '198.51.100.9'

/** One gateway behind a proxy, as a user with these rules, and another with all rights. */
async function setStage (t: Test, ...rules: string[]) {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  await redis.client.call('ACL', 'SETUSER', 'gate', 'on', '>pass', '~*', '&*', '+@all', ...rules)
  const proxy = await startTcpProxy(t, redis.port)
  const settings = { ...trust(issuer), ADMIN_TOKEN, PUBLISH_KEY, TRUSTED_PROXIES: '127.0.0.0/8' }
  const [here, there] = await Promise.all([
    startGateway(t, { ...settings, REDIS_URL: `redis://gate:pass@127.0.0.1:${proxy.port}` }), startGateway(t, { ...settings, REDIS_URL: redis.url })
  ])
  for (const gateway of [here, there]) await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const ask = async (gateway: TestGateway, method: string, path: string, body?: object): Promise<{ status: number, text: string }> => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, 'x-publish-key': PUBLISH_KEY }
    const answer = await gateway.admin(path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return { status: answer.status, text: await answer.text() }
  }
  return { issuer, redis, proxy, here, there, ask }
}

t.test('what is kept is done, whatever became of its mark and of the message to the others', async (t) => {
  for (const [rule, untold] of [['-set', 'mark'], ['-publish', 'message']] as const) {
    await t.test(rule, async (t) => {
      const { issuer, here, there, ask } = await setStage(t, rule)
      t.equal((await ask(here, 'PUT', `/v1/bans/${BANNED}`, { seconds: 600 })).status, 204)
      t.equal((await ask(here, 'POST', '/v1/revocations', { jti: 'told' })).status, 204)
      t.equal((await ask(here, 'DELETE', '/v1/users/nobody/connections')).status, 204)
      t.match(await here.waitForLog('control.untold'), { reason: untold, detail: 'it denies access: the rights of the user' })
      const refused = await connectRefused(t, here, `/ws?token=${issuer.sign()}`, { from: freshAddress(), headers: { 'x-forwarded-for': BANNED } })
      t.equal(refused.status, 403, 'done here')
      t.match((await ask(there, 'GET', '/v1/bans')).text, BANNED)
      t.match((await ask(there, 'GET', '/v1/revocations')).text, 'told')
    })
  }
})

t.test('an order whose answer is lost may have been kept, and the answer says so; ordering it again succeeds', async (t) => {
  const { proxy, here, there, ask } = await setStage(t)
  for (const [method, path, body, word] of [
    ['PUT', `/v1/bans/${BANNED}`, { seconds: 600 }, BANNED], ['POST', '/v1/revocations', { jti: 'lost-answer' }, 'lost-answer'],
    ['DELETE', '/v1/users/lost-user/connections', undefined, 'lost-user']
  ] as const) {
    proxy.loseAnswerTo(word)
    const { status, text } = await ask(here, method, path, body)
    t.equal(status, 503)
    t.match(text, /cannot be reached.*; it may have been kept all the same, and ordering it again does no harm/)
    await until('Redis is there again', async () => (await ask(here, method, path, body)).status === 204)
  }
  t.match(here.log.find(line => line.event === 'admin.action' && line['status'] === 503), { detail: /it may have been kept all the same/ })
  t.match((await ask(there, 'GET', '/v1/bans')).text, BANNED)
})

t.test('an order that Redis refuses before it begins was not kept, and the answer says so', async (t) => {
  const { redis, here, ask } = await setStage(t)
  await redis.client.call('ACL', 'SETUSER', 'gate', '-evalsha', '-eval')
  const { status, text } = await ask(here, 'PUT', `/v1/bans/${BANNED}`, { seconds: 600 })
  t.equal(status, 503)
  t.match(text, 'it denies access: the rights of the user; it was not kept')
  t.equal(await redis.client.exists('ws:bans'), 0)
})

t.test('an event whose answer is lost may have been delivered, and one that was refused was not: the answer says which', async (t) => {
  const { issuer, redis, proxy, here, there, ask } = await setStage(t)
  const client = await connect(t, there, `/ws?agent_ids=a1&token=${issuer.sign({ agents: ['a1'] })}`, { from: freshAddress() })
  await client.nextOf('subscribed')
  const publish = async (data: string) => await ask(here, 'POST', '/v1/publish', { topic: 'agent:a1', event: 'e', data })
  // From now on Redis knows the script: what is lost is no request for it.
  t.equal((await publish('first')).status, 202)
  t.match(await client.nextOf('event'), { data: 'first' })
  proxy.loseAnswerTo('order-77')
  const lost = await publish('order-77')
  t.equal(lost.status, 503)
  t.match(lost.text, 'the event may have been delivered, and publishing it again may deliver it twice')
  t.match(await client.nextOf('event'), { data: 'order-77' }, 'and it was')
  await redis.client.call('ACL', 'SETUSER', 'gate', '-publish')
  await until('Redis is there again', async () => !(await publish('denied')).text.includes('cannot be reached'))
  t.match(await publish('denied'), { status: 503, text: /the rights of the user; the event was not delivered/ })
  await redis.client.call('ACL', 'SETUSER', 'gate', '+publish')
  t.equal((await publish('last')).status, 202)
  t.match(await client.nextOf('event'), { data: 'last' }, 'nothing came between')
})
