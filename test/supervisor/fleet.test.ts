import t, { type Test } from 'tap'
import { Fleet } from '../../src/supervisor/fleet.js'
import type { WorkerEvents, WorkerProcess } from '../../src/supervisor/worker-process.js'
import { CannotStart } from '../../src/cannot-start.js'
import { createLog } from '../../src/observe/log/log.js'
import { until } from '../support/until.js'

interface Made {
  readonly number: number
  /** It was told that others take connections. */
  readonly othersServe: boolean
  readonly started: () => void
  readonly ended: (code: number | null, signal: NodeJS.Signals | null) => void
}

/** A fleet whose processes are made up: the test says what becomes of each. `forks`: false where no process can be made. */
function makeFleet (t: Test, forks: () => boolean = () => true) {
  const made: Made[] = []
  const lines: Array<Record<string, unknown>> = []
  const write = (line: string): void => { lines.push(JSON.parse(line) as Record<string, unknown>) }
  function make (number: number, env: NodeJS.ProcessEnv, events: WorkerEvents): WorkerProcess | null {
    if (!forks()) {
      events.onForkFailed('EMFILE')
      return null
    }
    let started = false
    const worker: WorkerProcess = {
      number,
      get started () { return started },
      link: { call: async () => {}, lost: () => {} },
      stop: () => {},
      reload: () => {},
      kill: () => {}
    }
    made.push({
      number,
      othersServe: env['PORTCULLIS_OTHERS_SERVE'] !== undefined,
      started: () => {
        started = true
        events.onStarted(9001)
      },
      ended: (code, signal) => { events.onEnded(worker, code, signal) }
    })
    return worker
  }
  const fleet = new Fleet({
    entry: new URL('file:///nowhere'),
    env: {},
    log: createLog({ node: 'n', level: 'info', destination: { write } }),
    onLine: () => {},
    make: (number, _entry, env, events) => make(number, env, events)
  })
  t.teardown(() => { fleet.kill() })
  return { fleet, made, lines }
}

t.test('it has stood once each worker has taken connections, and names those that do not now', async (t) => {
  const { fleet, made } = makeFleet(t)
  const start = fleet.start(2)
  t.same(fleet.missing(), [1, 2])
  made[0]?.started()
  t.notOk(fleet.hasStood)
  t.same(fleet.missing(), [2])
  made[1]?.started()
  await start
  t.ok(fleet.hasStood)
  made[0]?.ended(1, null)
  t.same(fleet.missing(), [1])
  t.ok(fleet.hasStood, 'the others serve')
})

t.test('a worker is told whether others serve: at a start none does, and one that comes back joins those that do', async (t) => {
  const { fleet, made } = makeFleet(t)
  const start = fleet.start(2)
  made[0]?.started()
  made[1]?.started()
  await start
  made[0]?.ended(1, null)
  await until('its second process', () => made.length === 3)
  t.same(made.map(({ number, othersServe }) => [number, othersServe]), [[1, false], [2, false], [1, true]])
})

t.test('a worker that says that it cannot start ends a start in which none could', async (t) => {
  const { fleet, made } = makeFleet(t)
  const start = fleet.start(2)
  made[1]?.ended(1, null)
  await t.rejects(start, new CannotStart('worker 2 could not start'))
})

t.test('once one could, another that ends as it starts is started again', async (t) => {
  const { fleet, made, lines } = makeFleet(t)
  const start = fleet.start(2)
  made[0]?.started()
  made[1]?.ended(1, null)
  await until('its second process', () => made.length === 3)
  made[2]?.started()
  await start
  t.match(lines.map(({ event, worker }) => [event, worker]), [['worker.started', 1], ['worker.exited', 2], ['worker.started', 2]])
})

t.test('a worker that a signal ended as it started is started again, though none could yet', async (t) => {
  const { fleet, made, lines } = makeFleet(t)
  const start = fleet.start(1)
  made[0]?.ended(null, 'SIGKILL')
  await until('its second process', () => made.length === 2)
  made[1]?.started()
  await start
  t.match(lines[0], { event: 'worker.exited', signal: 'SIGKILL', restart_in_ms: 500 })
})

t.test('no process for a worker is told with the code of the system, and tried again', async (t) => {
  let tries = 0
  const { fleet, made, lines } = makeFleet(t, () => ++tries > 2)
  const start = fleet.start(1)
  await until('a process', () => made.length === 1)
  made[0]?.started()
  await start
  t.match(lines.slice(0, 2), [
    { event: 'worker.fork_failed', level: 'error', worker: 1, reason: 'EMFILE', restart_in_ms: 500 },
    { event: 'worker.fork_failed', reason: 'EMFILE', restart_in_ms: 1000 }
  ])
})
