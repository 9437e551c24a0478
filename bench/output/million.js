import { shorten } from './table.js'

const CONNECTIONS = 1_000_000
/** One 16-core host, a process for each core. */
const PROCESSES = 16
const MOST_GB = 8
const MOST_CORES = 1.5
const OURS = 'portcullis, authenticated, leased, 2 topics: '

/** Whether a run has what the table is made of. @param {{ results: object }} run */
export const hasMillion = ({ results }) => results.wide !== undefined

/**
 * One million connections at rest on one host, from the slice that `wide` measured: which figure is seen and which is arithmetic.
 * @param {{ results: object }} run
 */
export function renderMillion ({ results: { wide } }) {
  const find = figure => wide.rows.find(({ name }) => name === OURS + figure)
  const [memory, rest] = [find('memory of a connection'), find('CPU at rest of a connection, each second')]
  const { connections, processes, 'RSS MB of all processes': allMb } = memory.extra
  const emptyMb = (allMb - connections * memory.median / 1000) / processes
  const { 'ms a second, all': allMs, 'ms a second without connections': emptyMs, 'Redis µs': redisUs } = rest.extra
  const restUs = (allMs - emptyMs) * 1000 / connections
  const gb = CONNECTIONS * memory.median / 1e6 + PROCESSES * emptyMb / 1000
  const cores = CONNECTIONS * restUs / 1e6 + PROCESSES * emptyMs / processes / 1000
  const verdict = (figure, most) => figure <= most ? `≤ ${most} met` : `≤ ${most} **missed**`
  const rows = [
    ['connections, each with a token, a lease and two topics', connections.toLocaleString('en'), `measured, in ${processes} processes`, ''],
    ['memory of a connection, KB', shorten(memory.median), 'measured', ''],
    ['memory of a process without connections, with its share of the supervisor, MB', shorten(emptyMb), 'measured', ''],
    ['CPU at rest of a connection, µs a second', shorten(restUs), 'measured, pings and renewals in it', ''],
    ['CPU at rest of a process without connections, ms a second', shorten(emptyMs / processes), 'measured', ''],
    ['Redis’s CPU of a connection at rest, µs a second', shorten(redisUs), 'measured', ''],
    ['memory of a million, GB', shorten(gb), `arithmetic: a million of the second line, ${PROCESSES} of the third`, verdict(gb, MOST_GB)],
    ['CPU at rest of a million, cores', shorten(cores), `arithmetic: a million of the fourth line, ${PROCESSES} of the fifth`, verdict(cores, MOST_CORES)],
    ['Redis’s CPU of a million, cores', shorten(CONNECTIONS * redisUs / 1e6), 'arithmetic; one Redis has one core for it', '']
  ]
  return [['figure', '', 'how', 'target'], ['---', '---', '---', '---'], ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n')
}
