import t from 'tap'
import type { Readiness } from '../../src/gateway/readiness.js'
import { createFleetOperations } from '../../src/supervisor/fleet-operations.js'
import type { WorkerProcess } from '../../src/supervisor/worker-process.js'
import type { Operations } from '../../src/gateway/operations.js'
import { JsonText } from '../../src/wire/json-text.js'

type Answer = (...args: readonly unknown[]) => unknown
interface StandIn extends WorkerProcess { readonly asked: string[] }

const never = async (): Promise<never> => await new Promise(() => {})
const fails = (): never => { throw new Error('the call failed in the other process') }
const READY: Readiness = { ready: true, reasons: [], issuersWithoutKeys: [] }
const unready = (...reasons: Readiness['reasons']): Readiness => ({ ready: false, reasons, issuersWithoutKeys: [] })
const without3 = (readiness: Readiness): Readiness => ({ ...readiness, workersMissing: [3] })

/** A worker that answers so; one without a `ping` hangs: its calls reject when their time is over. */
function standIn (number: number, answers: Readonly<Record<string, Answer>>): StandIn {
  const asked: string[] = []
  const call = async (method: string, args: readonly unknown[] = [], timeoutMs = 0): Promise<unknown> => {
    asked.push(method)
    const answer = answers[method]
    if (answer !== undefined) return await answer(...args)
    return await new Promise((_resolve, reject) => { setTimeout(() => { reject(new Error('no answer')) }, Math.min(timeoutMs, 50)) })
  }
  return { number, asked, started: true, link: { call, lost: () => {} }, stop: () => {}, reload: () => {}, kill: () => {} }
}
function alive (number: number, answers: Readonly<Record<string, Answer>> = {}): StandIn {
  return standIn(number, { ping: () => undefined, ...answers })
}
/** Two of three workers at least: what is missing is told, and no reason. */
const inFront = (workers: readonly StandIn[], hasStood = true) => ({ running: () => workers, missing: () => [3], hasStood })
/** A value that a number of JavaScript cannot hold. */
const JSON_BEYOND = '9007199254740993'
const publish = async ({ publishing }: Operations, ...jsons: readonly string[]) =>
  await publishing.publish(jsons.map(json => ({ topic: 'agent:a1', event: 'e', data: JsonText.parse(json), id: null })))
const fleet = (...workers: StandIn[]) => createFleetOperations(inFront(workers), () => false)

t.test('no call goes to a worker that hangs', async (t) => {
  const hung = standIn(1, {})
  const done: unknown[] = []
  const live = alive(2, {
    order: (...args) => { done.push(args) },
    listConnections: request => ({ request }),
    list: (...args) => ({ args }),
    publish: (packed) => {
      done.push(packed)
      return [{ published: null }, { failed: 'why', outcome: 'undone' }]
    }
  })
  const operations = fleet(hung, live)
  await operations.orders.disconnect('alice')
  t.match(await publish(operations, JSON_BEYOND, '2'), [{ status: 'fulfilled', value: null }, { status: 'rejected', reason: { message: 'why', outcome: 'undone' } }])
  const request = { userId: null, after: 'a', limit: 5 }
  t.same(await operations.listConnections(request), { request })
  t.same(await operations.lists.listBans(request), { args: ['listBans', request] })
  t.same(await operations.lists.listRevocations(request), { args: ['listRevocations', request] })
  t.same(done, [['disconnect', 'alice'], [JSON_BEYOND, '2'].map(json => ({ topic: 'agent:a1', event: 'e', id: null, json }))])
  t.same(new Set(hung.asked), new Set(['ping']))
})

t.test('an order that fails at one worker is given to another, at most to two', async (t) => {
  const failing = [1, 2, 3].map(number => alive(number, { order: fails }))
  const good = alive(9, { order: () => undefined })
  await fleet(failing[0] as StandIn, good).orders.recheck(null)
  t.ok(good.asked.includes('order'))
  await t.rejects(fleet(...failing).orders.recheck(null))
  const orders = failing.flatMap(({ asked }) => asked).filter(method => method === 'order').length
  t.equal(orders, 1 + 2)
})

t.test('an event that a worker failed to publish is not published by another', async (t) => {
  const workers = [alive(1, { publish: fails }), alive(2, { publish: fails })]
  await t.rejects(publish(fleet(...workers), '1'))
  t.equal(workers.flatMap(({ asked }) => asked).filter(method => method === 'publish').length, 1)
})

t.test('with no worker, or none that answers, everything rejects', async (t) => {
  for (const operations of [fleet(), fleet(standIn(1, {}))]) {
    await t.rejects(operations.orders.unban('192.0.2.1'))
    await t.rejects(operations.listConnections({ userId: 'alice', after: null, limit: 1 }))
    await t.rejects(operations.lists.listBans({ after: null, limit: 1 }))
    await t.rejects(publish(operations, '1'), { message: 'no worker answers', outcome: 'undone' })
    t.same(await operations.readiness(), without3(unready('starting')))
  }
})

t.test('ready is told by the first worker that is, without waiting for one that hangs', async (t) => {
  t.same(await fleet(alive(1, { readiness: never }), alive(2, { readiness: () => READY })).readiness(), without3(READY))
  const starting = alive(1, { readiness: () => unready('starting') })
  const draining = alive(2, { readiness: () => unready('starting', 'draining') })
  t.same(await fleet(starting, draining, standIn(3, {})).readiness(), without3(unready('starting', 'draining')))
})

t.test('a draining supervisor is not ready, whatever its workers say', async (t) => {
  const draining = createFleetOperations(inFront([alive(1, { readiness: () => READY })]), () => true)
  t.same(await draining.readiness(), unready('draining'))
})

t.test('probes and scrapes have at most a second for each worker', async (t) => {
  const times: number[] = []
  const worker = alive(1)
  const call = async (_method: string, _args?: readonly unknown[], timeoutMs = Infinity): Promise<never> => {
    times.push(timeoutMs)
    return fails()
  }
  const operations = fleet({ ...worker, link: { ...worker.link, call } })
  await operations.readiness()
  await operations.renderMetrics()
  t.same(times, [1000, 1000])
})

t.test('it is not ready before each worker has stood once, and names those that are missing', async (t) => {
  const workers = [alive(1, { readiness: () => READY }), alive(2, { readiness: () => READY })]
  t.same(await createFleetOperations(inFront(workers, false), () => false).readiness(), without3(unready('starting')))
})
