import { freshAddress } from '../support/client.js'
import type { LogLine, TestGateway } from '../support/gateway.js'
import { until } from '../support/until.js'
import { attempt, freshUser, LIMITS, open, refusal, type Behaviour, type World } from './world.js'

const closedIn = (...gateways: readonly TestGateway[]): LogLine[] => gateways.flatMap(({ log }) => log.filter(({ event }) => event === 'connection.closed'))

/**
 * Waits until Redis has what others need to write these connections' closed lines. On a cluster that is a call beside the one that let
 * them in: whoever is killed in between takes it along.
 */
async function untilRecorded ({ redis }: World, prefix: string, accepted: readonly LogLine[]): Promise<void> {
  await until('the process is known', async () => await redis.zcard(`${prefix}ws:nodes`) > 0)
  for (const { node, connection_id: id } of accepted) {
    await until('its record is kept', async () => await redis.hexists(`${prefix}ws:node:${String(node)}`, String(id)) === 1)
  }
}

/** What a process leaves to the others when it ends. Each of these ends one, so its gateways are its own. */
export const endsBetween: readonly Behaviour[] = [
  {
    title: 'a client that a draining process sent away comes back with its pass, once',
    async hold (t, { world, direction, answering }) {
      const asked = await world.start(t, direction.asked)
      const [from, token] = [freshAddress(), world.issuer.sign({ sub: freshUser() })]
      await until('the key of passes is there', async () => await world.redis.exists('ws:resume-key') === 1)
      const client = await open(t, asked, token, { from })
      for (let n = 1; n < LIMITS.addressConnections; n++) await open(t, answering, world.issuer.sign({ sub: freshUser() }), { from })
      asked.signal('SIGTERM')
      const query = `&resume=${String((await client.nextOf('closing'))['resume'])}`
      t.equal((await client.closed).code, 1012)
      t.equal(await refusal(t, answering, token, { from }), 'ip_rate_limited', 'without it the window is over')
      await open(t, answering, token, { from, query })
      t.equal(await refusal(t, answering, token, { from, query }), 'ip_rate_limited', 'it is spent')
      t.equal(await asked.exited, 0)
    }
  },
  {
    title: 'a process that is killed has its closed lines written by one of the others, and its slots are free',
    async hold (t, { world, direction }) {
      const env = { WS_USER_LEASE_S: '1', REDIS_KEY_PREFIX: `lost-${direction.asked}:` }
      const builds = [direction.asked, direction.answering, direction.asked] as const
      const [dying, ...survivors] = await Promise.all(builds.map(async (build) => await world.start(t, build, env)))
      if (dying === undefined) throw new Error('no gateway')
      const token = world.issuer.sign({ sub: freshUser() })
      for (let n = 0; n < LIMITS.userConnections; n++) await open(t, dying, token)
      const accepted = (): LogLine[] => dying.log.filter(({ event }) => event === 'connection.accepted')
      await until('its accepted lines are written', () => accepted().length === LIMITS.userConnections)
      await untilRecorded(world, env.REDIS_KEY_PREFIX, accepted())
      await until('the heartbeats are known', async () => await world.redis.zcard(`${env.REDIS_KEY_PREFIX}ws:nodes`) === 3)
      dying.signal('SIGKILL')
      await dying.exited
      await until('every line is written', () => closedIn(...survivors).length >= LIMITS.userConnections)
      for (const gateway of survivors) await until('its slots are free', async () => await attempt(t, gateway, token) === 'open')
      const lost = closedIn(...survivors).filter(({ reason }) => reason === 'node_lost')
      const identify = (line: LogLine): unknown => ({ id: line['connection_id'], user: line['user_id'], ip: line['ip'] })
      const byId = (a: LogLine, b: LogLine): number => String(a['connection_id']).localeCompare(String(b['connection_id']))
      t.same(lost.toSorted(byId).map(identify), accepted().toSorted(byId).map(identify), 'one for each connection, none twice')
    }
  },
  {
    title: 'a process that is killed alone has its lines written by the next one to start',
    async hold (t, { world, direction }) {
      const env = { WS_USER_LEASE_S: '1', REDIS_KEY_PREFIX: `alone-${direction.asked}:` }
      const dying = await world.start(t, direction.asked, env)
      await open(t, dying, world.issuer.sign({ sub: freshUser() }))
      const accepted = await dying.waitForLog('connection.accepted')
      await untilRecorded(world, env.REDIS_KEY_PREFIX, [accepted])
      dying.signal('SIGKILL')
      await dying.exited
      const next = await world.start(t, direction.answering, env)
      t.match(await next.waitForLog('connection.closed'), { reason: 'node_lost', connection_id: accepted['connection_id'], user_id: accepted['user_id'] })
    }
  }
]
