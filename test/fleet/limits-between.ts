import { freshAddress, type TestClient } from '../support/client.js'
import type { TestGateway } from '../support/gateway.js'
import { until } from '../support/until.js'
import { attempt, freshUser, LIMITS, open, refusal, type Behaviour } from './world.js'

/** Sends pings and waits for their pongs, so that all of them are counted. */
async function ping (client: TestClient, count: number): Promise<void> {
  for (let n = 0; n < count; n++) client.send({ type: 'ping' })
  for (let n = 0; n < count; n++) await client.nextOf('pong')
}

/** Address windows, slots, messages and strikes are counted in one place, by whichever build. */
export const limitsBetween: readonly Behaviour[] = [
  {
    title: 'an address has its attempts in both together',
    async hold (t, { asked, answering, world }) {
      const from = freshAddress()
      for (let n = 0; n < LIMITS.addressConnections - 1; n++) await open(t, asked, world.issuer.sign({ sub: freshUser() }), { from })
      await open(t, answering, world.issuer.sign({ sub: freshUser() }), { from })
      t.equal(await refusal(t, answering, world.issuer.sign({ sub: freshUser() }), { from }), 'ip_rate_limited')
      t.equal(await refusal(t, asked, world.issuer.sign({ sub: freshUser() }), { from }), 'ip_rate_limited')
    }
  },
  {
    title: 'a user has the slots of both together, and a slot given back in one is free in the other',
    async hold (t, { asked, answering, world }) {
      const token = world.issuer.sign({ sub: freshUser() })
      const clients: TestClient[] = []
      for (let n = 0; n < LIMITS.userConnections; n++) clients.push(await open(t, asked, token))
      t.equal(await refusal(t, answering, token), 'user_connection_limit')
      clients[0]?.socket.close()
      await clients[0]?.closed
      await until('the slot is free', async () => await attempt(t, answering, token) === 'open')
    }
  },
  {
    title: 'the messages of an address count in both together',
    async hold (t, { asked, answering, world }) {
      const from = freshAddress()
      const first = await open(t, asked, world.issuer.sign({ sub: freshUser() }), { from })
      const second = await open(t, answering, world.issuer.sign({ sub: freshUser() }), { from })
      await ping(first, LIMITS.messages - 1)
      await ping(second, 1)
      second.send({ type: 'ping' })
      t.match(await second.nextOf('error'), { error: 'Too Many Requests', code: 429 })
      t.equal((await second.closed).code, 4429)
    }
  },
  {
    title: 'limits broken in both lead to one ban, in both',
    async hold (t, { world, direction }) {
      const env = { WS_BAN_AFTER: '4', WS_IP_CONNECTIONS: '1', REDIS_KEY_PREFIX: `strikes-${direction.asked}:` }
      const [asked, answering] = await Promise.all([world.start(t, direction.asked, env), world.start(t, direction.answering, env)])
      const from = freshAddress()
      const client = await open(t, answering, world.issuer.sign({ sub: freshUser() }), { from })
      const refuse = async (gateway: TestGateway): Promise<unknown> => await refusal(t, gateway, 'noise', { from })
      for (const gateway of [asked, asked, answering, asked]) t.equal(await refuse(gateway), 'ip_rate_limited')
      t.match(await client.closed, { code: 4403, reason: /"banned"/ })
      for (const gateway of [asked, answering]) await until('it is banned', async () => await refuse(gateway) === 'banned')
    }
  }
]
