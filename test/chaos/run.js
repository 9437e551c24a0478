// npm run test:chaos -- --minutes N [--seed S] [--topology single|sentinel|cluster] [--workers W] [--clients C] [--json FILE]
// Two gateways, Redis and an issuer under a mixed load, while faults strike; then every invariant is looked at.
import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError, Option } from 'commander'
import { createActors } from './actors.js'
import { startBackEnd } from './back-end.js'
import { checkNothingIsHeld, checkNothingIsLeft } from './check-leftovers.js'
import { checkLimits } from './check-limits.js'
import { checkLog, isLogComplete } from './check-log.js'
import { checkOrders } from './check-orders.js'
import { checkSends } from './check-sends.js'
import { startLoad } from './load.js'
import { watchMemory } from './memory.js'
import { becomesTrue, sleep } from './processes.js'
import { createRandom } from './random.js'
import { describeFault, planFaults } from './schedule.js'
import { renderSummary } from './summary.js'
import { STEADY_MS, TERMS } from './terms.js'
import { TOPOLOGIES, topologyOf } from './topology.js'
import { startWorld } from './world.js'
import { startFaults } from './strike.js'

const MAX_MINUTES = 240
const RECOVERY_MS = 30_000
/** After the last fault the load goes on for so long: what the faults have left behind meets it. */
const CALM_MS = STEADY_MS + 3000
const LINES_MS = 6 * TERMS.leaseMs

const numberBetween = (least, most, isWhole) => (text) => {
  const value = Number(text)
  if (!(value >= least && value <= most) || (isWhole && !Number.isInteger(value))) throw new InvalidArgumentError(`it is a ${isWhole ? 'whole ' : ''}number from ${least} to ${most}`)
  return value
}

const options = new Command('test:chaos')
  .option('--minutes <n>', 'how long faults strike', numberBetween(0.05, MAX_MINUTES, false), 2)
  .option('--seed <n>', 'repeats the faults and the choices of the clients', numberBetween(0, 2 ** 31, true), Date.now() % 2 ** 31)
  .addOption(new Option('--topology <name>', 'what there is of Redis; without it the seed decides').choices(Object.keys(TOPOLOGIES)))
  .option('--workers <n>', 'processes of the second gateway', numberBetween(1, 4, true), 1)
  .option('--clients <n>', 'how many connect again and again', numberBetween(1, 500, true), 60)
  .option('--json <file>', 'writes the summary there as well')
  .parse().opts()

const say = (text) => { process.stdout.write(`${text}\n`) }

/** Both gateways are ready again, and take up their work by themselves. @param {import('./world.js').World} world */
async function checkRecovery ({ gateways, tally }) {
  for (const gateway of gateways) {
    const isReady = async () => await gateway.admin('/readyz').then(response => response.status === 200, () => false)
    const ready = await becomesTrue(isReady, RECOVERY_MS)
    tally.check('after the last fault each gateway is ready again by itself', ready, () => ({ text: gateway.name }))
  }
}

async function endInOrder (world, load, backEnd) {
  await load.stop()
  await backEnd.stop()
  checkSends(world)
  await checkOrders(world)
  say('every client is gone')
  await checkNothingIsHeld(world)
  const connections = [...world.ledger.connections.values()]
  // Lines that survivors write come late; those that nobody can write are judged afterwards.
  await becomesTrue(() => isLogComplete(connections), LINES_MS)
  await Promise.all(world.gateways.map(async (gateway) => { await gateway.drain() }))
  await checkNothingIsLeft(world)
  checkLimits(world)
  checkLog(world)
}

/** The limits that must not be exceeded are put to the test only where they are reached. */
const FILLED = 'in a minute some user has as many sockets as there may be'
const FILLING_S = 60

async function run (world, { minutes, seed, topology, workers, clients }) {
  const durationMs = minutes * 60_000
  const plan = planFaults(seed, durationMs, world.redis.spans)
  say(`seed ${seed}, ${topology}: ${plan.length} faults in ${minutes} min\n${plan.map(describeFault).join('\n')}\n\nas they strike:`)
  const startMs = Date.now()
  const memory = watchMemory(world.gateways)
  const load = startLoad(world, createActors(createRandom(seed + 1), clients), seed)
  const backEnd = startBackEnd(world, createRandom(seed + 2))
  const faults = startFaults(world, plan, say)
  await sleep(durationMs)
  await faults.stop()
  say('no further fault')
  await checkRecovery(world)
  await sleep(Math.min(CALM_MS, durationMs))
  const endMs = Date.now()
  memory.stop()
  await endInOrder(world, load, backEnd)
  const { counts, invariants, violations, examples } = world.tally
  const steadyS = Math.round(world.steadiness.steadyMs(startMs, endMs) / 1000)
  const processes = memory.check(world.tally)
  // In a shorter time a busy machine may let in too few.
  if (steadyS >= FILLING_S) world.tally.check(FILLED, (counts.operations['limits seen full: user'] ?? 0) > 0, () => ({ text: `${steadyS} s`, lines: [] }))
  return { seed, topology, minutes, workers, clients, steady_s: steadyS, ...counts, memory: processes, invariants, violations, examples }
}

async function stopWorld ({ gateways, redis, issuer }) {
  await Promise.allSettled([...gateways.map(async (gateway) => { await gateway.kill() }), redis.stop(), issuer.stop()])
}

// A signal ends this process through 'exit', where every process that it started is ended.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => { process.exit(130) })
options.topology ??= topologyOf(options.seed)
const world = await startWorld(options.topology, options.workers)
try {
  const summary = await run(world, options)
  process.stdout.write(`\n${renderSummary(summary)}`)
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(summary, null, 2)}\n`)
  process.exitCode = world.tally.isClean() ? 0 : 1
} finally {
  await stopWorld(world)
}
