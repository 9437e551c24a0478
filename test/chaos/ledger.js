/**
 * What clients and logs tell of one connection. Times are wall clock, in ms: all processes share one host.
 * @typedef {object} Connection
 * @property {string} id
 * @property {object[]} accepted log lines
 * @property {object[]} closed log lines
 * @property {Seen | null} seen by the client that was welcomed
 *
 * @typedef {object} Seen what the client knows
 * @property {string} userId
 * @property {string} node
 * @property {string} address as the limits count it
 * @property {boolean} counts the attempt counts against its address: it is on no list and brought no pass
 * @property {number} sentAtMs before anything was sent
 * @property {number} welcomeAtMs
 * @property {boolean} endedByClient
 * @property {number} endAtMs the first sign that it is over, of either side; Infinity while it is open
 *
 * @typedef {object} NodeFate what was done to one process
 * @property {number} startedAtMs its first line @property {number} killedAtMs @property {number} drainedAtMs @property {number} exitedAtMs
 * @property {Array<{ fromMs: number, toMs: number }>} stops
 */

/** Of one client: too many to keep. */
const OF_CLIENTS = new Set(['connection.refused', 'access.denied', 'message.limited'])
const MAX_NOTABLE = 20_000

/** Everything that is known of every connection and every process, for the checks. */
export function createLedger () {
  /** @type {Map<string, Connection>} */
  const connections = new Map()
  /** @type {Map<string, NodeFate>} */
  const nodes = new Map()
  /** Lines about processes. */
  const notable = []

  const of = (id) => {
    const known = connections.get(id)
    if (known !== undefined) return known
    const made = { id, accepted: [], closed: [], seen: null }
    connections.set(id, made)
    return made
  }
  return {
    connections,
    nodes,
    /** What processes said of themselves between the two. */
    notableLines: (fromMs, toMs) => notable.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs),
    /** @param {string} name */
    node (name) {
      const known = nodes.get(name)
      if (known !== undefined) return known
      const made = { startedAtMs: Date.now(), killedAtMs: Infinity, drainedAtMs: Infinity, exitedAtMs: Infinity, stops: [] }
      nodes.set(name, made)
      return made
    },
    /** @param {object} line of a log */
    readLine (line) {
      if (line.event === 'connection.accepted') of(line.connection_id).accepted.push(line)
      else if (line.event === 'connection.closed') of(line.connection_id).closed.push(line)
      else if (!OF_CLIENTS.has(line.event) && notable.length < MAX_NOTABLE) notable.push({ atMs: Date.parse(line.time), ...line })
    },
    /** @param {string} id @param {Seen} seen */
    welcomed (id, seen) { of(id).seen = seen }
  }
}
