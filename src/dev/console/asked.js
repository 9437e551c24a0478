import { $, tell } from './elements.js'
import { LIVE } from './sockets.js'

/** What became of the last press of Connect, below its button: on a phone nothing else of it is in sight. */
export const asked = { sockets: [], isSettled: true }

function describeAsked ([first, ...others]) {
  if (others.length > 0) {
    const counts = Map.groupBy([first, ...others], ({ state, ending }) => state === 'connecting' || LIVE.includes(state) ? state : ending)
    return [[...counts].map(([what, { length }]) => `${length} × ${what}`).join(', ') + '.', [...counts.keys()].some((what) => what !== 'connecting' && !LIVE.includes(what))]
  }
  if (first.state === 'connecting') return [`Socket #${first.number} connects …`, false]
  if (LIVE.includes(first.state)) return [`Socket #${first.number} is open${first.user === null ? '' : ` as ${first.user}`}.`, false]
  return [`Socket #${first.number}: ${first.ending}. ${first.advice}`, first.state !== 'closed']
}

export function renderAsked () {
  $('connect-more').hidden = asked.sockets.length === 0
  if (asked.sockets.length === 0) return
  tell('connect-status', ...describeAsked(asked.sockets))
  if (asked.isSettled) return
  $('connect-status').scrollIntoView({ block: 'nearest' })
  asked.isSettled = !asked.sockets.some(({ state }) => state === 'connecting')
}
