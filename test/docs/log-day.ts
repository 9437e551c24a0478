import type { Test } from 'tap'
import { connect, connectRefused, freshAddress, type TestClient } from '../support/client.js'
import type { TestGateway } from '../support/gateway.js'
import type { TestIssuer } from '../support/issuer.js'

/** How often the attacker of the day below tries. */
export const ATTACKS = 150
/** Refusals of the day: the attacker's, and three of others. */
export const REFUSED = ATTACKS + 3

/** Connects and takes the welcome. */
export async function open (t: Test, gateway: TestGateway, token: string, from = freshAddress()): Promise<TestClient> {
  const client = await connect(t, gateway, `/ws?token=${token}`, { from })
  await client.next()
  return client
}

/** A day in the life of a gateway: good users, wrong ones, an attack. */
export async function liveThroughADay (t: Test, gateway: TestGateway, issuer: TestIssuer, attacker: string): Promise<void> {
  const alice = await open(t, gateway, issuer.sign({ sub: 'alice', agents: ['a1'] }))
  alice.send({ type: 'subscribe', agent_ids: ['not-hers'] })
  await alice.nextOf('error')
  for (const sub of ['bob', 'carol', 'dave']) (await open(t, gateway, issuer.sign({ sub }))).socket.close(1000)
  const chatty = await open(t, gateway, issuer.sign({ sub: 'chatty' }))
  for (let i = 0; i < 101; i++) chatty.send({ type: 'ping' })
  await chatty.closed
  await connectRefused(t, gateway, '/ws', { from: freshAddress(), headers: { 'X-Forwarded-For': '203.0.113.9' } })
  await connectRefused(t, gateway, '/ws?token=noise', { from: freshAddress() })
  await connectRefused(t, gateway, '/nowhere', { from: freshAddress() })
  // At once, so that one interval of the sampling sees more than it writes.
  await Promise.all(Array.from({ length: ATTACKS }, async () => await connectRefused(t, gateway, '/ws?token=noise', { from: attacker })))
  alice.socket.close(1000)
  await alice.closed
}
