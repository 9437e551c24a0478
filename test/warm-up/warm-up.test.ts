import t, { type Test } from 'tap'
import type { Config } from '../../src/config/config.js'
import { loadConfig } from '../../src/config/load-config.js'
import type { Timers } from '../../src/timers.js'
import { openVisitors, type Visitors } from '../../src/warm-up/visitors.js'
import { MISSED_CLAIMS, MISSED_WISH } from '../../src/warm-up/missed-events.js'
import { openStandIn } from '../../src/warm-up/stand-in.js'
import { createWarmUp, WARM_UP_MS } from '../../src/warm-up/warm-up.js'
import { connect } from '../support/client.js'
import { findFreePort } from '../support/free-port.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { until } from '../support/until.js'

const NEVER = new AbortController().signal
const config = (): Config => loadConfig({ JWT_ISSUER: 'https://issuer.invalid', JWT_AUDIENCE: 'a', REDIS_URL: 'redis://127.0.0.1:1' })
/** A clock that moves when it is told to. */
function createTimers (): Timers & { pass (): void, readonly due: readonly number[] } {
  const calls = new Map<() => void, number>()
  return {
    after (ms, call) {
      calls.set(call, ms)
      return () => { calls.delete(call) }
    },
    soon (call) { call() },
    pass () { for (const call of calls.keys()) call() },
    get due () { return [...calls.values()] }
  }
}
/** Visitors who do as the test has them do, until they are ended. */
function stage (act: Partial<Visitors>): { ended: number, readonly open: typeof openVisitors } {
  const waiting = { opened: new Promise<never>(() => {}), visit: async () => { await new Promise(() => {}) } }
  const state = { ended: 0, open: () => ({ ...waiting, ...act, end: async () => { state.ended++ } }) }
  return state
}

t.test('visits that are over end the warm-up, and its timer', async (t) => {
  const timers = createTimers()
  await createWarmUp({ timers, visits: 60 })(config(), NEVER)
  t.same(timers.due, [])
})

t.test('it ends by the clock, and by whoever wants to leave, wherever it is: before the thread has spoken, and amid the visits', async (t) => {
  for (const isAmid of [false, true]) {
    for (const how of ['clock', 'leaving'] as const) {
      const [timers, leaving] = [createTimers(), new AbortController()]
      let asked = false
      const open: typeof openVisitors = (errand) => {
        const real = openVisitors({ ...errand, visits: 1_000_000 })
        t.teardown(real.end)
        return isAmid
          ? { ...real, visit: async (place) => { asked = true; await real.visit(place) } }
          : { ...real, opened: new Promise<never>(() => { asked = true }) }
      }
      const warmed = createWarmUp({ timers, openVisitors: open })(config(), leaving.signal)
      await until('the warm-up is under way', () => asked)
      if (how === 'clock') timers.pass()
      else leaving.abort(new Error('SIGTERM'))
      await warmed
      t.same(timers.due, [], `${how}, ${isAmid ? 'amid' : 'before'}`)
    }
  }
  t.equal(WARM_UP_MS, 2000)
})

t.test('visitors that cannot be had, or are gone, keep nobody waiting', async (t) => {
  const gone = stage({ opened: Promise.reject(new Error('gone')) })
  await createWarmUp({ timers: createTimers(), openVisitors: gone.open })(config(), NEVER)
  t.equal(gone.ended, 1)
  await createWarmUp({ timers: createTimers(), openVisitors: () => { throw new Error('no thread') } })(config(), NEVER)
  await createWarmUp({ timers: createTimers(), openVisitors: () => { throw new Error('asked for') } })(config(), AbortSignal.abort())
})

t.test('who asks a thread that has ended, or ends meanwhile, is told so', async (t) => {
  const ended = openVisitors({ kind: 'warm-up', issuer: 'i', visits: 1 })
  await ended.end()
  await t.rejects(ended.opened, /gone/)
  await t.rejects(ended.visit({ port: 1, origin: 'o' }), /gone/)
  const ending = openVisitors({ kind: 'warm-up', issuer: 'i', visits: 1_000_000 })
  await ending.opened
  const visited = ending.visit({ port: 1, origin: 'o' })
  await ending.end()
  await t.rejects(visited, /gone/)
})

async function startWarm (t: Test, more: Record<string, string> = {}) {
  const [issuer, redis] = await Promise.all([startIssuer(t), startRedis(t)])
  await redis.client.config('RESETSTAT')
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: redis.url, WS_WARM_UP: 'true', ...more })
  return { gateway, redis, issuer }
}

/** What stands in Redis, the log and the metrics of a process that has just become ready. */
async function look ({ gateway, redis }: Awaited<ReturnType<typeof startWarm>>) {
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  const metrics = await (await gateway.admin('/metrics')).text()
  const samples = metrics.split('\n').filter((line) => line.startsWith('portcullis_'))
  return {
    keys: (await redis.client.keys('*')).map((key) => key.replace(/[0-9a-f]{8}-1-[0-9a-f]{6}/, 'NODE')).toSorted(),
    events: gateway.log.map(({ event }) => event),
    nodes: new Set(gateway.log.map(({ node }) => node)).size,
    names: samples.map((line) => line.replace(/ .*/, '')),
    moved: samples.filter((line) => /_(total|count|bucket)\b.* [1-9]/.test(line))
  }
}

t.test('it leaves nothing: no key, no line, no count, no label that a cold start has not', async (t) => {
  const [warm, cold] = await Promise.all([startWarm(t), startWarm(t, { WS_WARM_UP: 'false' })])
  const [left, wanted] = await Promise.all([look(warm), look(cold)])
  t.same({ ...left, events: left.events.toSorted() }, { ...wanted, events: wanted.events.toSorted() })
  t.equal(warm.gateway.stderr(), '')
})

t.test('what a visitor asks for is found: the frame that begins it, and the events, from the stand-in', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), REDIS_URL: `redis://127.0.0.1:${await openStandIn()}` })
  const client = await connect(t, gateway, `/ws?token=${issuer.sign(MISSED_CLAIMS)}`)
  await client.nextOf('welcome')
  client.send(JSON.parse(MISSED_WISH))
  const { recovered } = await client.nextOf('subscribed')
  t.same(Object.values(recovered as object), [true])
  const events = [1, 2, 3, 4].map(async () => await client.nextOf('event'))
  t.same((await Promise.all(events)).map(({ replayed }) => replayed), [true, true, true, true])
})

t.test('workers listen while they warm up, serve who comes, and leave no line, no key, and nothing on standard error either', async (t) => {
  const port = await findFreePort()
  const { gateway, redis, issuer } = await startWarm(t, { WORKERS: '2', PORT: String(port), NODE_ID: 'host' })
  await gateway.waitForLog('supervisor.started')
  t.equal((await gateway.admin('/readyz')).status, 503)
  await until('both have keys', () => gateway.log.filter(({ event }) => event === 'jwks.refreshed').length === 2)
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'early' })}`)
  await client.nextOf('welcome')
  await until('it is ready', async () => (await gateway.admin('/readyz')).status === 200)
  t.equal(gateway.log.filter(({ event }) => event === 'connection.accepted').length, 1)
  const STARTS = /^(?:(?:server|supervisor|worker)\.started|jwks\.refreshed|connection\.accepted|binding\.older|descriptors\.few)$/
  t.same(gateway.log.map(({ event }) => event).filter((event) => !STARTS.test(event)), [])
  t.same((await redis.client.keys('*')).filter((key) => key.includes('ratelimit:user')), ['ws:ratelimit:user:early'])
  t.equal(gateway.stderr(), '')
})

t.test('a process that is told to end while it warms up ends at once, and well', async (t) => {
  const { gateway } = await startWarm(t)
  t.equal((await gateway.admin('/readyz')).status, 503)
  gateway.signal('SIGTERM')
  t.equal(await gateway.exited, 0)
  t.equal(gateway.stderr(), '')
})
