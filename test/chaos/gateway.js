import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { findFreePort } from '../../scripts/free-port.js'
import { createClock } from './clock.js'
import { becomesTrue, endProcess, halt, hasEnded, resume, sleep, startProcess } from './processes.js'
import { createRandom } from './random.js'
import { startRelay } from './relay.js'
import { TERMS } from './terms.js'

const PROGRAM = fileURLToPath(new URL('../../dist/main.js', import.meta.url))
const START_MS = 30_000
const EXIT_MARGIN_MS = 15_000
const MAX_STDERR = 2000
/** How far a wall clock jumps, to either side, in ms. */
const JUMP_MS = [10_000, 120_000]

const NO_DEATH = 'no process ends but by our signals, and then with the exit code that belongs to it'
const NO_FAULT = 'nothing throws where nothing may, and nothing is written to standard error'

/** Worker processes of a supervisor. @param {number} pid */
function readChildren (pid) {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/**
 * One of the gateways: started again and again under one name and on the same ports.
 * @param {object} options
 * @param {string} options.name
 * @param {Record<string, string>} options.settings
 * @param {number} options.workers
 * @param {ReturnType<typeof import('./ledger.js').createLedger>} options.ledger
 * @param {import('./steadiness.js').Steadiness} options.steadiness
 * @param {ReturnType<typeof import('./tally.js').createTally>} options.tally
 */
export async function createGateway ({ name, settings, workers, ledger, steadiness, tally }) {
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  const [front, clock, random] = [await startRelay(port), createClock(), createRandom(workers)]
  let launches = 0
  /** @type {Launch | null} */
  let current = null
  let busy = false
  /** @type {Array<{ fromMs: number, toMs: number }>} */
  const stops = []
  const jumps = []

  /**
   * @typedef {object} Launch one life of the process
   * @property {import('node:child_process').ChildProcess} child
   * @property {Set<string>} nodes names under which it writes its log
   * @property {boolean} started
   * @property {string | null} expected the end that we asked for
   * @property {Map<string, (atMs?: number) => void>} degraded
   * @property {string} stderr
   * @property {Promise<void>} over
   */
  function readLine (launch, text) {
    const line = JSON.parse(text)
    line.time = clock.correct(line.time)
    launch.nodes.add(line.node)
    if (launch.expected === 'SIGTERM') markDrained(launch, line.node)
    ledger.node(line.node)
    ledger.readLine(line)
    tally.count('operations', `log: ${line.event}`)
    if (line.event === 'server.started') launch.started = true
    if (line.event === 'limits.degraded') {
      launch.degraded.set(line.node, steadiness.begin(`degraded ${line.node}`, Date.parse(line.time) - TERMS.redisCallMs))
    }
    if (line.event === 'limits.restored') launch.degraded.get(line.node)?.(Date.parse(line.time))
    if (line.event === 'fault') tally.check(NO_FAULT, false, () => ({ text: `${name}: ${line.where}: ${line.error}`, lines: [line] }))
    if (line.event === 'worker.exited') tally.check(NO_DEATH, false, () => ({ text: `a worker of ${name} has ended`, lines: [line] }))
  }
  const markDrained = ({ drainedAtMs }, node) => { ledger.node(node).drainedAtMs = drainedAtMs }

  function onExit (launch, code, signal) {
    const nowMs = Date.now()
    for (const end of launch.degraded.values()) end(nowMs)
    for (const node of launch.nodes) ledger.node(node).exitedAtMs = nowMs
    const asExpected = launch.expected === 'SIGKILL' ? signal === 'SIGKILL' : launch.expected === 'SIGTERM' && code === 0
    tally.check(NO_DEATH, asExpected, () => ({ text: `${name} ended with ${code ?? signal}, asked for: ${launch.expected ?? 'nothing'} ${launch.stderr}` }))
    tally.check(NO_FAULT, launch.stderr === '', () => ({ text: `${name}: ${launch.stderr}` }))
  }

  function launchProcess () {
    const env = { ...settings, PORT: String(port), ADMIN_PORT: String(adminPort), NODE_ID: `${name}${++launches}`, WORKERS: String(workers), ...clock.settings }
    clock.reset()
    const child = startProcess(process.execPath, [PROGRAM], env)
    const launch = {
      child,
      nodes: new Set(),
      started: false,
      expected: null,
      drainedAtMs: Infinity,
      degraded: new Map(),
      stderr: '',
      over: Promise.resolve()
    }
    createInterface({ input: child.stdout }).on('line', (text) => { readLine(launch, text) })
    child.stderr.setEncoding('utf8').on('data', (part) => { launch.stderr = (launch.stderr + part).slice(-MAX_STDERR) })
    // `close`: everything that it wrote has been read.
    launch.over = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        onExit(launch, code, signal)
        resolve()
      })
    })
    return launch
  }

  async function start () {
    current = launchProcess()
    const launch = current
    const started = await becomesTrue(() => launch.started || hasEnded(launch.child), START_MS) && launch.started
    tally.check('a gateway starts, whatever is away', started, () => ({ text: `${name} did not start: ${launch.stderr}` }))
  }

  /** Worker 1, 2, ... or the process itself. */
  const pidsOf = (launch) => workers === 1 ? [launch.child.pid] : readChildren(launch.child.pid)

  const faults = {
    async gateway_kill (forMs) {
      const launch = current
      const atMs = Date.now()
      launch.expected = 'SIGKILL'
      launch.child.kill('SIGKILL')
      for (const node of launch.nodes) ledger.node(node).killedAtMs = atMs
      await launch.over
      await sleep(forMs)
      await start()
    },
    async gateway_drain (forMs) {
      await drain()
      await sleep(forMs)
      await start()
    },
    async gateway_stop (forMs) {
      const launch = current
      const stop = { fromMs: Date.now(), toMs: Infinity }
      stops.push(stop)
      for (const node of launch.nodes) ledger.node(node).stops.push(stop)
      const pids = pidsOf(launch)
      for (const pid of pids) halt(pid)
      await sleep(forMs)
      for (const pid of pids) resume(pid)
      stop.toMs = Date.now()
    },
    async front_cut () { front.cut() },
    // The gateway's side stays open and silent: nobody tells it that its peers have vanished.
    async front_half_open (forMs) {
      const end = front.swallow('far')
      await sleep(forMs)
      end()
    },
    async clock_jump (forMs) {
      const pids = pidsOf(current)
      clock.set(pids, random.between(...JUMP_MS) * (random.chance(0.5) ? 1 : -1))
      jumps.push(Date.now())
      await sleep(forMs)
      clock.set(pids, 0)
      jumps.push(Date.now())
    }
  }

  async function drain () {
    const launch = current
    launch.expected = 'SIGTERM'
    launch.drainedAtMs = Date.now()
    for (const node of launch.nodes) markDrained(launch, node)
    launch.child.kill('SIGTERM')
    const inTime = await Promise.race([launch.over.then(() => true), sleep(TERMS.drainMs + EXIT_MARGIN_MS).then(() => false)])
    tally.check('a drain ends', inTime, () => ({ text: `${name} did not end` }))
    if (inTime) return
    launch.expected = 'SIGKILL'
    await endProcess(launch.child)
    await launch.over
  }

  return {
    name,
    /** Where clients reach it. */
    port: front.port,
    front,
    /** Its clock has been set at some time. */
    hasJumped: () => jumps.length > 0,
    adminPort,
    workers,
    start,
    drain,
    isUp: () => !busy && current !== null && current.started && !hasEnded(current.child),
    pids: () => current === null || hasEnded(current.child) ? [] : pidsOf(current),
    /** It did not run at some time after `atMs`. */
    stoodStillSince: atMs => stops.some(stop => stop.toMs >= atMs),
    nodes: () => [...current?.nodes ?? []],
    /** Resolves when it is over; false: it was not up, so nothing was done. @param {keyof typeof faults} kind @param {number} forMs */
    async fail (kind, forMs) {
      if (busy || current === null || !current.started || hasEnded(current.child)) return false
      busy = true
      try {
        await faults[kind](forMs)
      } finally {
        busy = false
      }
      return true
    },
    /** @param {string} path @param {RequestInit} [init] */
    async admin (path, init = {}) {
      return await fetch(`http://127.0.0.1:${adminPort}${path}`, {
        ...init, headers: { Authorization: `Bearer ${settings.ADMIN_TOKEN}` }, signal: AbortSignal.timeout(3000)
      })
    },
    async kill () {
      if (current !== null) await endProcess(current.child)
      await front.stop()
    }
  }
}
