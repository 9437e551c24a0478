import { describeRun } from './markdown.js'
import { shorten } from './table.js'

/** The five facts of the README, from the rows of a run. */
const FACTS = [
  find => `**${find('upgrade', 'portcullis, fresh token')}** of CPU lets in somebody whose token was never seen, limits in Redis, log and metrics ` +
    `included; ${find('upgrade', 'portcullis, known token')} somebody who comes back. The usual Node stack ` +
    `(fastify, its WebSocket and rate-limit plugins, jsonwebtoken): ${find('upgrade', 'usual stack, fresh token')}.`,
  find => `**${find('idle', 'portcullis, authenticated, leased, 5 topics')}** of memory keeps a connection open with its lease and five topics. The ` +
    `usual stack: ${find('idle', 'usual stack, authenticated, no topics')}, without topics.`,
  find => `**${find('fanout', 'portcullis, 16 a tick')}** of CPU brings an event to one more listener while 16 come at a time. Socket.IO with its Redis ` +
    `adapter: ${find('fanout', 'Socket.IO, Redis adapter, 16 a tick')}.`,
  find => `**${find('hold', 'p99')}** is the 99th percentile of a delivery, at 10,000 open connections and 10,000 deliveries a second on two cores, the load beside it.`,
  find => `**${find('upgrade', 'portcullis, address over its limit')}** is what one more attempt of an address over its limit costs: no signature is checked, Redis is not ` +
    `asked. A bare server takes ${find('upgrade', 'bare uWebSockets.js')} to accept it.`
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
