import { STEADY_MS, TERMS } from './terms.js'

const PER_ADDRESS = 'with Redis up for a window and a lease: never more than 10 accepted per address and window'
const PER_USER = 'with Redis up for a window and a lease: never more than 5 sockets of a user at once'
/** A process that stood still renews its leases within this after a lease: until then its sockets may not count. */
const RENEWAL_MARGIN_MS = 1000

/** @typedef {import('./ledger.js').Connection} Connection */

/** @param {Connection[]} connections @param {(seen: import('./ledger.js').Seen) => string} keyOf */
function groupBy (connections, keyOf) {
  const groups = new Map()
  for (const connection of connections) {
    const group = groups.get(keyOf(connection.seen))
    if (group === undefined) groups.set(keyOf(connection.seen), [connection])
    else group.push(connection)
  }
  return groups
}

/** Most recent first, each pair of connections that may matter to one another once. */
function * earlierThan (sorted, index) { for (let i = index - 1; i >= 0; i--) yield sorted[i] }

const tell = ({ id, seen, closed }) => ({ id, ...seen, closed: closed[0]?.time, reason: closed[0]?.reason })

const around = (ledger, atMs) => ledger.notableLines(atMs - STEADY_MS, atMs)

/**
 * Each was decided after it was sent and before its welcome came. So those sent less than a window before a welcome, and
 * welcomed before it, were all decided within one window.
 */
function checkAddresses (connections, { steadiness, ledger, tally }) {
  let full = 0
  for (const group of groupBy(connections.filter(({ seen }) => seen.counts), ({ address }) => address).values()) {
    group.forEach((one, index) => {
      const { welcomeAtMs } = one.seen
      const from = welcomeAtMs - TERMS.windowMs
      if (!steadiness.isUnderLimits(from, welcomeAtMs)) return
      const within = [one]
      for (const other of earlierThan(group, index)) {
        if (other.seen.welcomeAtMs <= from) break
        if (other.seen.sentAtMs > from) within.push(other)
      }
      if (within.length === TERMS.addressConnections) full++
      tally.check(PER_ADDRESS, within.length <= TERMS.addressConnections, () => ({ text: `${one.seen.address}: ${within.length}`, lines: [...within.map(tell), ...around(ledger, welcomeAtMs)] }))
    })
  }
  tally.count('operations', 'limits seen full: address', full)
}

/** A lease of its own for certain, from `fromMs` to `toMs`: neither side had ended it, and its process ran. */
function surelyHeld ({ seen, closed }, fromMs, toMs, ledger) {
  if (seen.welcomeAtMs > fromMs || seen.endAtMs <= toMs) return false
  if (closed.some(line => Date.parse(line.time) <= toMs)) return false
  const { killedAtMs, drainedAtMs, stops } = ledger.node(seen.node)
  if (killedAtMs <= toMs || drainedAtMs <= toMs) return false
  return !stops.some(stop => stop.fromMs <= toMs && stop.toMs + TERMS.leaseMs + RENEWAL_MARGIN_MS >= fromMs)
}

/** Whoever is let in is at most the user's fifth. Sockets let in while Redis was away may be more, and stay open. */
function checkUsers (connections, { steadiness, ledger, tally }) {
  let full = 0
  const longestMs = Math.max(0, ...connections.map(({ seen }) => seen.endAtMs === Infinity ? 0 : seen.endAtMs - seen.welcomeAtMs))
  for (const group of groupBy(connections, ({ userId }) => userId).values()) {
    group.forEach((one, index) => {
      const { sentAtMs, welcomeAtMs } = one.seen
      if (!steadiness.isUnderLimits(sentAtMs, welcomeAtMs)) return
      const held = [one]
      for (const other of earlierThan(group, index)) {
        if (other.seen.welcomeAtMs < sentAtMs - longestMs) break
        if (surelyHeld(other, sentAtMs, welcomeAtMs, ledger)) held.push(other)
      }
      if (held.length === TERMS.userConnections) full++
      tally.check(PER_USER, held.length <= TERMS.userConnections, () => ({ text: `${one.seen.userId}: ${held.length}`, lines: [...held.map(tell), ...around(ledger, welcomeAtMs)] }))
    })
  }
  tally.count('operations', 'limits seen full: user', full)
}

/** Judges every connection that a client had. @param {import('./world.js').World} world */
export function checkLimits (world) {
  const seen = [...world.ledger.connections.values()].filter(connection => connection.seen !== null)
    .toSorted((a, b) => a.seen.welcomeAtMs - b.seen.welcomeAtMs)
  checkAddresses(seen, world)
  checkUsers(seen, world)
}
