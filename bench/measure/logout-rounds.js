import { makeRow } from './rounds.js'
import { median, quantile } from './statistics.js'
import { UNLIMITED } from '../servers/gateway.js'

/** Sessions that are logged out in a round, one after the other, each with ten sockets on each of two processes. */
export const SESSIONS = 50
export const SOCKETS_EACH = 10
const MARKS = { p50: 0.5, p99: 0.99 }

/** The settings of both processes: the limits are none of the case's. */
export const SETTINGS = { WS_USER_CONNECTIONS: UNLIMITED, WS_IP_CONNECTIONS: UNLIMITED, OIDC_LOGOUT_AUDIENCES: '*' }

/** On the clock that all processes of the host share, in µs. */
const nowUs = () => Number(process.hrtime.bigint() / 1000n)

/**
 * Rows of one issuer: from the call that logs out to the last socket of the session that is closed, and to the answer.
 * @param {string} name
 * @param {object} stage
 * @param {{ port: number, cpuUs: () => number }[]} stage.servers
 * @param {{ ask: (request: object) => Promise<any> }[]} stage.loads one for each server
 * @param {(count: number) => Promise<{ token: string, end: () => Promise<unknown> }[]>} stage.makeSessions
 * @param {{ rounds: number, sessions: number, progress: (text: string) => void, targetMax?: number }} settings
 */
export async function measureLogouts (name, { servers, loads, makeSessions }, { rounds, sessions, progress, targetMax = null }) {
  const values = { p50: [], p99: [] }
  const extras = []
  for (let round = -1; round < rounds; round++) {
    progress(round < 0 ? `warming up: ${name}` : `round ${round + 1} of ${rounds}: ${name}`)
    const made = await makeSessions(sessions)
    await openAll({ servers, loads }, made, round)
    const { lastMs, extra } = await logOutAll({ servers, loads }, made)
    if (round < 0) continue
    for (const [mark, list] of Object.entries(values)) list.push(quantile(lastMs, MARKS[mark]))
    extras.push(extra)
  }
  progress('')
  const extra = Object.fromEntries(Object.keys(extras[0]).map(key => [key, median(extras.map(each => each[key]))]))
  return Object.entries(values).map(([mark, list]) => makeRow({
    name: `${name}: to the last closed socket, ${mark}`, unit: 'ms', values: list, targetMax: mark === 'p99' ? targetMax : null, extra
  }))
}

async function openAll ({ servers, loads }, made, round) {
  const entries = made.flatMap(({ token }, session) => Array.from({ length: SOCKETS_EACH }, () => ({ session, target: `/ws?token=${token}` })))
  await Promise.all(loads.map(async (load, n) => await load.ask({
    op: 'connect', port: servers[n].port, sessions: entries, firstAddress: ((round + 1) * loads.length + n) * entries.length
  })))
}

async function logOutAll ({ servers, loads }, made) {
  const [lastMs, answerMs] = [[], []]
  const cpuBefore = servers.map(({ cpuUs }) => cpuUs())
  for (const [session, { end }] of made.entries()) {
    const startedUs = nowUs()
    await end()
    answerMs.push((nowUs() - startedUs) / 1000)
    const answers = await Promise.all(loads.map(async load => await load.ask({ op: 'takeEnds', count: SOCKETS_EACH })))
    const ends = answers.flatMap(({ ends: some }) => some)
    const foreign = ends.find(each => each.session !== session || !each.why.includes('4401'))
    if (foreign !== undefined) throw new Error(`session ${session} was logged out, and one of ${foreign.session} ended: ${foreign.why}`)
    lastMs.push((Math.max(...ends.map(({ atUs }) => atUs)) - startedUs) / 1000)
  }
  const cpuUs = servers.reduce((sum, server, n) => sum + server.cpuUs() - cpuBefore[n], 0)
  return {
    lastMs,
    extra: {
      'answered, p50 ms': quantile(answerMs, MARKS.p50),
      'answered, p99 ms': quantile(answerMs, MARKS.p99),
      'server µs a socket': cpuUs / made.length / SOCKETS_EACH / loads.length
    }
  }
}
