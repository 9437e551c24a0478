import { parseArgs } from 'node:util'
import t, { type Test } from 'tap'
import { createPublisher } from '../../src/publisher/create-publisher.js'
import { startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { startClusterWorld } from './cluster-world.js'
import { FAULTS, untilPublished, type Scene } from './faults.js'
import { startFront } from './front.js'
import { PUBLISH_KEY, startReturningGateway } from './gateways.js'
import { Ledger, type Row } from './ledger.js'
import { joinClient, startPublishers } from './load.js'
import type { StartRedisWorld } from './redis-world.js'
import { startSentinelWorld } from './sentinel-world.js'
import { renderTable, sumUp } from './table.js'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
    clients: { type: 'string', default: '20' },
    topology: { type: 'string' }
  },
  allowPositionals: true
})
const [minutes, seed, clients] = [Number(values.minutes), Number(values.seed), Number(values.clients)]
if (!(minutes >= 0) || !Number.isSafeInteger(seed) || !(clients >= 1)) throw new Error('--minutes and --clients are numbers, --seed is a whole one')

const WORLDS: Readonly<Record<string, StartRedisWorld>> = { sentinel: startSentinelWorld, cluster: startClusterWorld }
/** Events that are published after each fault. */
const AFTERWARDS = 100
/** A subscriber that is half open is given up after 15 s at most, and what it missed is found within 30 s. */
const HEARD_MS = 120_000

/** Choices that a seed repeats. */
function createBelow (from: number): Scene['below'] {
  let state = from >>> 0
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor(state / 2 ** 32 * end)
  }
}

function shuffle<T> (list: readonly T[], below: Scene['below']): T[] {
  const shuffled = [...list]
  for (let n = shuffled.length - 1; n > 0; n--) {
    const other = below(n + 1)
    ;[shuffled[n], shuffled[other]] = [shuffled[other] as T, shuffled[n] as T]
  }
  return shuffled
}

/** Every client has had what is published from now on. */
async function untilAllHear (ledger: Ledger): Promise<void> {
  const topics = [...new Set(ledger.members.flatMap(({ topics: ofOne }) => ofOne))]
  const next = new Map(topics.map(topic => [topic, ledger.last(topic) + 1]))
  await until('each client hears each of its topics', () => ledger.hasReached(next), HEARD_MS)
}

/** The lines of data of all masters: where one changes, by a fault or by itself, everybody is told. */
async function identify ({ redis }: Scene): Promise<string> {
  const texts = await Promise.all((await redis.masters()).map(async ({ client }) => await client.info('replication')))
  return texts.map(text => /master_replid:(\w+)/.exec(text)?.[1]).toSorted().join()
}

async function strikeAll (t: Test, scene: Scene): Promise<void> {
  const endsAtMs = performance.now() + minutes * 60_000
  do {
    for (const name of shuffle(Object.keys(FAULTS), scene.below)) {
      scene.ledger.begin(name)
      const beganAtMs = performance.now()
      const before = await identify(scene)
      await FAULTS[name]?.(scene)
      const struckAtMs = performance.now()
      await untilAllHear(scene.ledger)
      const heardAtMs = performance.now()
      await untilPublished(scene, AFTERWARDS)
      const isAnother = await identify(scene) !== before
      t.comment(`${name}: ${seconds(struckAtMs - beganAtMs)}, all hear ${seconds(heardAtMs - struckAtMs)} later${isAnother ? '; Redis is another line of data' : ''}`)
    }
  } while (performance.now() < endsAtMs)
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

async function runThrough (t: Test, startWorld: StartRedisWorld): Promise<Row[]> {
  const [issuer, redis] = await Promise.all([startIssuer(t), startWorld(t)])
  const gateways = await Promise.all([1, 2].map(async () => await startReturningGateway(t, issuer, redis.settings)))
  const frontPort = await startFront(t, gateways.map(({ port }) => port))
  const ledger = new Ledger()
  await Promise.all(Array.from({ length: clients }, async (_, index) => { await joinClient(t, { frontPort, issuer, ledger }, index) }))
  const byHttp = createPublisher({ url: `http://127.0.0.1:${frontPort}`, key: PUBLISH_KEY })
  const load = startPublishers([byHttp, createPublisher({ redis: redis.openClient(), settings: redis.settings })], ledger)
  await untilAllHear(ledger)
  await strikeAll(t, { redis, gateways, ledger, below: createBelow(seed), stillMs: minutes > 0 ? 10_000 : 2000 })
  ledger.begin('the end')
  await load.stop()
  await until('each client has the last event', () => ledger.members.every(member => member.topics.every(topic => member.lastOf(topic) >= ledger.last(topic))), HEARD_MS)
    .catch(() => { /* the ledger counts what is missing */ })
  ledger.settle()
  return sumUp(ledger.rows)
}

// Most of the time is spent waiting.
t.jobs = minutes > 0 ? 1 : 2
const wanted = Object.entries(WORLDS).filter(([name]) => values.topology === undefined || values.topology === name)

await Promise.all(wanted.map(async ([name, startWorld]) => {
  await t.test(`through ten faults, nothing is lost without a word: ${name}`, { buffered: t.jobs > 1 }, async (t) => {
    const rows = await runThrough(t, startWorld)
    for (const line of renderTable(rows).split('\n')) t.comment(line)
    t.same(rows.filter(({ lost, doubles, disordered }) => lost + doubles + disordered > 0), [])
    t.same(Object.keys(FAULTS).filter(fault => !rows.some(row => row.fault === fault && row.published > 0)), [], 'every fault struck')
    t.ok(rows.some(({ recovered }) => recovered > 0) && rows.some(({ toldGap }) => toldGap > 0))
  })
}))
