import { untilQuiet } from './cpu.js'
import { quantile } from './statistics.js'

const STEP_MS = 2000
const FIRST_PER_S = 2000
/** Above this nobody comes here: the search ends. */
const MOST_PER_S = 60_000
const STEEP = 1.4
const FLAT = 1.15
const HALVINGS = 2
export const LIMIT_MS = 50
const REFUSED = /^[3-5]\d\d$/

let nextAddress = 0

/**
 * Opens connections at a rate for two seconds, the rate shared by the load processes.
 * @param {{ loads: object[], server: object, redis: object, targets: string[] }} subject @param {number} perS
 */
export async function openAt ({ loads, server, redis, targets, stepMs = STEP_MS }, perS) {
  const [serverBefore, redisBefore] = [server.cpuUs(), redis.cpuUs()]
  const share = Math.ceil(perS * stepMs / 1000 / loads.length)
  const answers = await Promise.all(loads.map((load, n) => load.ask({
    port: server.port,
    targets: loads.length === 1 ? targets : targets.filter((_, k) => k % loads.length === n),
    perS: perS / loads.length,
    forMs: stepMs,
    firstAddress: nextAddress + n * share
  })))
  nextAddress += share * loads.length
  const wallMs = Math.max(...answers.map(({ busyMs }) => busyMs))
  const usage = { 'server %': (server.cpuUs() - serverBefore) / wallMs / 10, 'Redis %': (redis.cpuUs() - redisBefore) / wallMs / 10 }
  await untilQuiet([server.pid, redis.pid])
  return { ...summarizeStep(answers), ...usage, 'load %': Math.max(...answers.map(({ loadShare }) => loadShare)) }
}

function summarizeStep (answers) {
  const sumOf = wanted => answers.reduce((sum, { outcomes }) =>
    sum + Object.entries(outcomes).filter(([outcome]) => wanted(outcome)).reduce((total, [, count]) => total + count, 0), 0)
  const offered = answers.reduce((sum, each) => sum + each.offered, 0)
  const [accepted, refused] = [sumOf(outcome => outcome === '101'), sumOf(outcome => REFUSED.test(outcome))]
  const acceptedMs = answers.flatMap(each => each.acceptedMs)
  return {
    p99Ms: acceptedMs.length === 0 ? Infinity : quantile(acceptedMs, 0.99),
    offered,
    accepted,
    refused,
    lost: offered - accepted - refused,
    'load late, p99 ms': quantile(answers.flatMap(({ lateMs }) => lateMs), 0.99)
  }
}

/**
 * The highest rate at which nobody is refused or lost and p99 stays below 50 ms: up by steps until one fails, then between the two.
 * @param {object} subject as of `openAt` @param {number | null} hint the rate found before
 */
export async function findOpeningRate (subject, hint) {
  let [good, bad] = [null, null]
  let perS = hint === null ? FIRST_PER_S : hint * 0.9
  let halvings = 0
  while (halvings < HALVINGS && perS <= MOST_PER_S) {
    const step = await openAt(subject, perS)
    if (step.p99Ms <= LIMIT_MS && step.accepted === step.offered) good = { perS, ...step }
    else bad = perS
    if (good !== null && bad !== null) {
      halvings++
      perS = (good.perS + bad) / 2
    } else perS = bad === null ? perS * (hint === null ? STEEP : FLAT) : perS / STEEP
    if (perS < 50) break
  }
  if (good === null) throw new Error(`p99 is above ${LIMIT_MS} ms at any rate`)
  return good
}
