import type { Test } from 'tap'
import { freshAddress } from '../support/client.js'
import type { TestGateway } from '../support/gateway.js'
import { until } from '../support/until.js'
import { ADMIN_TOKEN, attempt, freshUser, open, order, refusal, type Behaviour, type LonelyBehaviour } from './world.js'

/** Kinds of revocation, with the claims that a token needs for it. */
const KINDS = [
  { kind: 'jti', claims: (name: string) => ({ jti: name }) },
  { kind: 'sid', claims: (name: string) => ({ sid: name }) },
  { kind: 'sub', claims: () => ({}) }
] as const

const revocations: Behaviour[] = KINDS.map(({ kind, claims }) => ({
  title: `a revocation by ${kind} ends what is open, refuses what comes, and can be taken back in the other`,
  async hold (t, { asked, answering, world }) {
    const sub = freshUser()
    const token = world.issuer.sign({ sub, ...claims(sub) })
    const client = await open(t, answering, token)
    t.equal(await order(asked, 'POST', '/v1/revocations', { [kind]: sub }), 204)
    t.match(await client.closed, { code: 4401, reason: /"revoked"/ })
    t.equal(await refusal(t, answering, token), 'revoked')
    t.equal(await order(answering, 'DELETE', '/v1/revocations', { [kind]: sub }), 204)
    for (const gateway of [asked, answering]) await until('it is taken back', async () => await attempt(t, gateway, token) === 'open')
  }
}))

/** The user of a token. Revocations by user are about tokens that were signed before: a test signs them first. */
function subjectOf (token: string): string {
  return (JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string }).sub
}

/**
 * Waits until a process has heard of a revocation. It takes back only what it has heard of: the build before keeps no record
 * by name, so what it ordered less than a tenth of a second ago may be unknown to another.
 */
async function untilHeard (t: Test, gateway: TestGateway, token: string): Promise<void> {
  await until('it has heard of the revocation', async () => await attempt(t, gateway, token) === 'revoked')
}

/** Orders of operators and back ends are done by every process, by whichever build they were given. */
export const ordersBetween: readonly Behaviour[] = [
  {
    title: 'disconnecting a user ends its connections',
    async hold (t, { asked, answering, world }) {
      const [user, other] = [freshUser(), freshUser()]
      const client = await open(t, answering, world.issuer.sign({ sub: user }))
      const bystander = await open(t, answering, world.issuer.sign({ sub: other }))
      t.equal(await order(asked, 'DELETE', `/v1/users/${user}/connections`), 204)
      t.same(await client.closed, { code: 4403, reason: '{"error":"disconnected"}' })
      bystander.send({ type: 'ping' })
      t.equal((await bystander.next()).type, 'pong')
    }
  },
  ...revocations,
  {
    title: 'a process that starts later knows what was revoked, banned and taken back before',
    async hold (t, { asked, answering, world, direction }) {
      const [revoked, pardoned] = [world.issuer.sign({ sub: freshUser() }), world.issuer.sign({ sub: freshUser() })]
      const [banned, lifted] = [freshAddress(), freshAddress()]
      t.equal(await order(asked, 'POST', '/v1/revocations', { sub: subjectOf(revoked) }), 204)
      t.equal(await order(asked, 'POST', '/v1/revocations', { sub: subjectOf(pardoned) }), 204)
      for (const address of [banned, lifted]) t.equal(await order(asked, 'PUT', `/v1/bans/${address}`, { seconds: 600 }), 204)
      await untilHeard(t, answering, pardoned)
      t.equal(await order(answering, 'DELETE', '/v1/revocations', { sub: subjectOf(pardoned) }), 204)
      t.equal(await order(answering, 'DELETE', `/v1/bans/${lifted}`), 204)
      for (const build of [direction.asked, direction.answering]) {
        const later = await world.start(t, build)
        t.equal(await attempt(t, later, revoked), 'revoked')
        t.equal(await attempt(t, later, pardoned), 'open')
        t.equal(await attempt(t, later, pardoned, { from: banned }), 'banned')
        t.equal(await attempt(t, later, pardoned, { from: lifted }), 'open')
        later.signal('SIGKILL')
      }
    }
  },
  {
    title: 'a revocation that is taken back and given again is in force',
    async hold (t, { asked, answering, world }) {
      const sub = freshUser()
      const token = world.issuer.sign({ sub })
      t.equal(await order(asked, 'POST', '/v1/revocations', { sub }), 204)
      await untilHeard(t, answering, token)
      t.equal(await order(answering, 'DELETE', '/v1/revocations', { sub }), 204)
      t.equal(await order(asked, 'POST', '/v1/revocations', { sub }), 204)
      for (const gateway of [asked, answering]) await until('it is in force', async () => await attempt(t, gateway, token) === 'revoked')
    }
  },
  {
    title: 'a ban ends what the address has open, refuses it, and is lifted in the other',
    async hold (t, { asked, answering, world }) {
      const [from, token] = [freshAddress(), world.issuer.sign({ sub: freshUser() })]
      const client = await open(t, answering, token, { from })
      t.equal(await order(asked, 'PUT', `/v1/bans/${from}`, { seconds: 60 }), 204)
      t.match(await client.closed, { code: 4403, reason: /"banned"/ })
      t.equal(await refusal(t, answering, token, { from }), 'banned')
      t.equal(await order(answering, 'DELETE', `/v1/bans/${from}`), 204)
      for (const gateway of [asked, answering]) await until('it is lifted', async () => await attempt(t, gateway, token, { from }) === 'open')
    }
  },
  {
    title: 'the list of a user\'s connections has those of both',
    async hold (t, { asked, answering, world }) {
      const sub = freshUser()
      await open(t, asked, world.issuer.sign({ sub }))
      await open(t, answering, world.issuer.sign({ sub }))
      const response = await asked.admin(`/v1/connections?user_id=${sub}`, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
      const { connections } = await response.json() as { connections: Array<Record<string, unknown>> }
      t.equal(new Set(connections.map((one) => one['node'])).size, 2)
      t.ok(connections.every((one) => one['user_id'] === sub))
    }
  }
]

/** A Redis that came back without its data has them again. */
export const orderAfterLoss: LonelyBehaviour = {
  title: 'what Redis has lost of orders and slots is there again, what was taken back is not',
  async hold (t, { world, direction }) {
    const env = { WS_UPGRADE_DEADLINE_MS: '2000' }
    const [asked, answering] = await Promise.all([world.start(t, direction.asked, env), world.start(t, direction.answering, env)])
    const sign = (): string => world.issuer.sign({ sub: freshUser() })
    const [revoked, pardoned, crowd, other] = [sign(), sign(), sign(), sign()]
    const banned = freshAddress()
    for (const gateway of [asked, asked, asked, answering, answering]) await open(t, gateway, crowd)
    for (const token of [revoked, pardoned]) t.equal(await order(asked, 'POST', '/v1/revocations', { sub: subjectOf(token) }), 204)
    t.equal(await order(asked, 'PUT', `/v1/bans/${banned}`, { seconds: 600 }), 204)
    await untilHeard(t, answering, pardoned)
    t.equal(await order(answering, 'DELETE', '/v1/revocations', { sub: subjectOf(pardoned) }), 204)
    await until('both know of it', async () => await attempt(t, asked, pardoned) === 'open')
    await world.emptyRedis()
    const isThere = async (key: string): Promise<boolean> => await world.redis.zcard(key) > 0
    await until('one of them has written it back', async () => await isThere('ws:revocations') && await isThere('ws:bans'))
    const later = await world.start(t, direction.answering, env)
    for (const gateway of [asked, answering, later]) {
      t.equal(await attempt(t, gateway, revoked), 'revoked')
      t.equal(await attempt(t, gateway, other, { from: banned }), 'banned')
      t.equal(await attempt(t, gateway, pardoned), 'open')
      await until('every slot is taken', async () => await attempt(t, gateway, crowd) === 'user_connection_limit')
    }
  }
}
