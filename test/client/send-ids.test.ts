import t from 'tap'
import { startGateway, trust } from '../support/gateway.js'
import { freshAddress } from '../support/client.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { observe, reasonOf } from './observed-client.js'

t.test('ids by which a back end tells repeats', async (t) => {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url })
  const openPage = () => observe(t, {
    url: `ws://127.0.0.1:${gateway.port}/ws`, token: () => issuer.sign({ sub: 'alice', agents: ['a1'], scope: 'ws:send' })
  }, freshAddress()).client
  /** What a back end keeps that drops each message whose user and id it has seen. */
  const handled = async (): Promise<unknown[]> => {
    const entries = await redis.client.xrange('ws:inbound', '-', '+')
    const messages = entries.map(([, flat]) => Object.fromEntries(flat.flatMap((name, at) => at % 2 === 0 ? [[name, flat[at + 1]]] : [])))
    const seen = new Set<string>()
    return messages.flatMap(({ user_id: user, id, data }) => {
      const known = seen.size
      return seen.add(`${String(user)} ${String(id)}`).size > known ? [data] : []
    })
  }

  await t.test('two tabs, and a page after a reload, have ids of their own: no message is taken for another', async (t) => {
    for (const page of ['one tab', 'another', 'after a reload']) {
      const client = openPage()
      await client.send('agent:a1', page)
      client.close()
    }
    t.same(await handled(), ['"one tab"', '"another"', '"after a reload"'])
    await redis.client.del('ws:inbound')
  })

  await t.test('a message is repeated with its id, on another connection too, and handled once', async (t) => {
    const id = 'i'.repeat(64)
    for (const client of [openPage(), openPage()]) {
      await client.send('agent:a1', 'pay', { id })
      await client.send('agent:a1', 'other')
    }
    t.equal(await redis.client.xlen('ws:inbound'), 4)
    t.same(await handled(), ['"pay"', '"other"', '"other"'])
  })

  await t.test('an id that is none, or that waits for its answer, is refused before anything is sent', async (t) => {
    const client = openPage()
    for (const id of ['', 'i'.repeat(65), 1 as unknown as string]) t.equal(await reasonOf(client.send('agent:a1', 1, { id })), 'bad_request')
    const first = client.send('agent:a1', 1, { id: 'x' })
    t.equal(await reasonOf(client.send('agent:a1', 2, { id: 'x' })), 'bad_request')
    await first
    await client.send('agent:a1', 1, { id: 'x' })
  })
})
