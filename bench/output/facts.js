import { describeRun } from './markdown.js'
import { shorten } from './table.js'

/** The five facts of the README, from the rows of a run. */
const FACTS = [
  find => `**${find('upgrade', 'portcullis, fresh token')}** of CPU accepts a connection with a new token: signature, limits in Redis, log and metrics ` +
    `included. A token that was verified before costs ${find('upgrade', 'portcullis, known token')}. The usual Node stack (fastify with its WebSocket ` +
    `and rate-limit plugins, jsonwebtoken) needs ${find('upgrade', 'usual stack, fresh token')} for a new one.`,
  find => `**${find('idle', 'portcullis, authenticated, leased, 5 topics')}** of memory keeps a connection open that is counted for its user and listens to five ` +
    `topics. The usual stack needs ${find('idle', 'usual stack, authenticated, no topics')}, without topics.`,
  find => `**${find('fanout', 'portcullis, 16 a tick')}** of CPU delivers one event to one of 1,000 listeners, when 16 events come together. Socket.IO with its Redis ` +
    `adapter needs ${find('fanout', 'Socket.IO, Redis adapter, 16 a tick')}.`,
  find => `**${find('hold', 'p99')}** is the 99th percentile of a delivery, at 10,000 open connections and 10,000 deliveries a second. The load generator ran on ` +
    'the same two cores.',
  find => `**${find('upgrade', 'portcullis, address over its limit')}** of CPU refuses an address that is over its limit, the TCP connection included: no signature is ` +
    `checked, and Redis is not asked. The bare server, which checks nothing, accepts one for ${find('upgrade', 'bare uWebSockets.js')}.`
]

/** @param {{ results: object }} run @returns whether it has every row that the facts are made of */
export const hasFacts = ({ results }) => ['upgrade', 'idle', 'fanout', 'hold'].every(name => results[name] !== undefined)

/** @param {{ host: object, results: object }} run @returns {string} a list in Markdown, with what it was measured on */
export function renderFacts (run) {
  const find = (name, row) => {
    const found = run.results[name].rows.find(one => one.name === row)
    if (found === undefined) throw new Error(`no row ${row} in ${name}`)
    return `${shorten(found.median)} ${found.unit}`
  }
  return [...FACTS.map(fact => `- ${fact(find)}`), '', `${describeRun(run)}.`].join('\n')
}
