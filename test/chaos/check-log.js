import { TERMS } from './terms.js'

const ONE_CLOSE = 'each accepted connection has exactly one closed line'
const ONE_ACCEPT = 'each welcomed or closed connection has exactly one accepted line'

/** Lines that a process killed at once takes with it: those of its last moments. */
const IN_FLIGHT_MS = 250
/** Others claim within two leases, and look for a turn longer. */
const CLAIM_MS = 3 * TERMS.leaseMs
/** After an outage a record without a connection may stay for two rounds of a deadline and five seconds. */
const RECORDS_TENDED_MS = 2 * (TERMS.upgradeDeadlineMs + 5000) + 3000
/** Recovery is tried every now and then. */
const RESTORE_MARGIN_MS = 1000

/** What comes back without the records, or without the last of them. */
const LOSES_RECORDS = new Set(['redis_restart_empty', 'redis_old_snapshot', 'redis_fail_over', 'redis_master_lost'])

/** @typedef {import('./ledger.js').Connection} Connection */

/** What comes back with records that were removed. */
const OLD_DATA = new Set(['redis_old_snapshot', 'redis_fail_over', 'redis_master_lost'])

const nodeOf = ({ accepted, closed, seen }) => accepted[0]?.node ?? seen?.node ?? closed[0]?.lost_node ?? closed[0]?.node

/** Everything known of it, for whoever reads the summary. */
const tell = ({ seen, accepted, closed }, fate) => [...accepted, ...closed, { seen, fate }]

/** Why an accepted line may be missing; null: no reason. */
function excuseAccept ({ seen }, { killedAtMs }) {
  if (killedAtMs === Infinity) return null
  // Without a welcome, that was in flight too.
  return seen === null || killedAtMs - seen.welcomeAtMs <= IN_FLIGHT_MS ? 'accepted line in flight at a kill -9' : null
}

/** Why no closed line may be there; null: no reason. */
function excuseNoClose (connection, { killedAtMs }, { steadiness, ledger }) {
  const { seen } = connection
  const node = nodeOf(connection)
  if (killedAtMs === Infinity) return null
  const endedBeforeMs = seen === null ? Infinity : killedAtMs - seen.endAtMs
  // Not those that were open when it was killed: theirs is for the survivors to write. A worker outlives its supervisor for a moment.
  const leastMs = seen?.endedByClient ? -IN_FLIGHT_MS : 1
  if (endedBeforeMs >= leastMs && endedBeforeMs <= IN_FLIGHT_MS) return 'closed line in flight at a kill -9'
  const isWithoutRecords = steadiness.intervals.some(one => costsRecords(one, node, killedAtMs))
  if (isWithoutRecords) return 'killed without records: Redis was away, or lost them'
  const mayHaveClaimed = other => other.killedAtMs > killedAtMs && other.killedAtMs < killedAtMs + 2 * CLAIM_MS
  return [...ledger.nodes.values()].some(mayHaveClaimed) ? 'a claimant was killed between its claim and its line' : null
}

/** @param {import('./steadiness.js').Interval} interval */
function costsRecords ({ kind, fromMs, toMs }, node, killedAtMs) {
  // Emptied before anybody has claimed them.
  if (LOSES_RECORDS.has(kind) && fromMs <= killedAtMs + 2 * CLAIM_MS && toMs >= killedAtMs) return true
  // Records that were lost, or never made, are made within a lease after an outage.
  const isOurs = !kind.startsWith('degraded') || kind === `degraded ${node}`
  return isOurs && fromMs <= killedAtMs && toMs + TERMS.leaseMs + RESTORE_MARGIN_MS >= killedAtMs
}

/** @param {import('./steadiness.js').Steadiness} steadiness */
const hasOldData = ({ intervals }, firstMs, lastMs) =>
  intervals.some(({ kind, fromMs, toMs }) => OLD_DATA.has(kind) && fromMs <= lastMs && toMs >= firstMs - IN_FLIGHT_MS)

/** Why there may be a second one; null: no reason. */
function excuseTwoCloses ({ closed }, { killedAtMs, drainedAtMs, exitedAtMs }, { steadiness }) {
  const [lost, own] = [closed.filter(line => line.reason === 'node_lost'), closed.filter(line => line.reason !== 'node_lost')]
  if (lost.length === 2 && lost[0].node !== lost[1].node) {
    const [firstMs, lastMs] = lost.map(line => Date.parse(line.time)).toSorted((a, b) => a - b)
    return hasOldData(steadiness, firstMs, lastMs) ? 'its claim was lost with a fail-over: another claimed it again' : null
  }
  if (lost.length !== 1 || own.length !== 1) return null
  const atMs = Date.parse(own[0].time)
  if (drainedAtMs <= atMs + 1000 && !steadiness.wasSteady(drainedAtMs, exitedAtMs)) return 'ended in order while Redis was away: node_lost follows'
  const [firstMs, lastMs] = [atMs, Date.parse(lost[0].time)].toSorted((a, b) => a - b)
  if (hasOldData(steadiness, firstMs, lastMs)) return 'its record came back with old data: node_lost follows'
  // Its line is written in the turn in which the removal of its record is sent, and the kernel may not have sent that yet.
  if (killedAtMs >= atMs && killedAtMs - atMs <= IN_FLIGHT_MS) return 'the removal of its record in flight at a kill -9: node_lost follows'
  const outages = steadiness.intervals.filter(one => one.fromMs <= atMs && one.toMs >= atMs - TERMS.redisCallMs)
  if (outages.length === 0) return null
  const isOverMs = Math.max(...outages.map(({ toMs }) => toMs))
  if (killedAtMs <= isOverMs + RECORDS_TENDED_MS) return 'closed while Redis was away, killed before its record was removed: node_lost follows'
  return 'cut off alone: both lines'
}

/** Judges the logs of all processes together, when all have ended. @param {import('./world.js').World} world */
export function checkLog (world) {
  const { ledger, tally } = world
  for (const connection of ledger.connections.values()) {
    const { id, accepted, closed } = connection
    const fate = ledger.node(nodeOf(connection))
    const judge = (invariant, holds, excuse, text) => {
      if (!holds && excuse !== null) tally.except(excuse, tell(connection, fate))
      tally.check(invariant, holds || excuse !== null, () => ({ text: `${id}: ${text}`, lines: tell(connection, fate) }))
    }
    judge(ONE_ACCEPT, accepted.length === 1, accepted.length === 0 ? excuseAccept(connection, fate) : null, `${accepted.length} accepted lines`)
    if (closed.length === 0) judge(ONE_CLOSE, false, excuseNoClose(connection, fate, world), 'no closed line')
    else judge(ONE_CLOSE, closed.length === 1, closed.length === 2 ? excuseTwoCloses(connection, fate, world) : null, `${closed.length} closed lines`)
  }
}

/** Whether every connection that may still get a closed line has it. @param {import('./ledger.js').Connection[]} connections */
export function isLogComplete (connections) {
  return connections.every(({ closed }) => closed.length > 0)
}
