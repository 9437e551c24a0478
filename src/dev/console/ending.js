import { facts } from './facts.js'
import { note } from './log.js'
import { used } from './meters.js'
import { showRefusal } from './refusals.js'
import { LIVE } from './sockets.js'
import { parseJson } from './text.js'

/** A code is shared by several refusals: the reason's name says which. */
function readClose (socket, { code, reason }) {
  const { error, retry_after_ms: retryAfterMs = null } = Object(parseJson(reason))
  if (facts.refusals.has(error)) return { name: error, retryAfterMs }
  if (code === 1000) return { name: 'normal', retryAfterMs: null }
  const isUnread = code === 1006 && socket.state === 'connecting'
  if (isUnread && used.attemptsBlockedUntilMs > Date.now()) return { name: 'ip_rate_limited', retryAfterMs: used.attemptsBlockedUntilMs - Date.now(), isGuess: true }
  return { name: null, retryAfterMs: null, isUnread }
}

export function end (socket, event) {
  const { name, retryAfterMs, isGuess = false, isUnread = false } = readClose(socket, event)
  const wasOpen = LIVE.includes(socket.state)
  if (name === 'ip_rate_limited') used.attemptsBlockedUntilMs = Date.now() + retryAfterMs
  // Such an attempt never reached the window, or was refused by it: neither is counted there.
  if (name === 'ip_rate_limited' || isUnread) used.attempts.splice(used.attempts.indexOf(socket.attemptAt), 1)
  let meaning = ''
  if (isUnread) meaning = explainUnread()
  else if (name === null) meaning = 'The connection was lost: no close code came from the gateway. Connect again.'
  else if (name !== 'normal') meaning = showRefusal(socket, name, retryAfterMs, wasOpen ? 'The connection was ended' : isGuess ? 'Not let in, most likely' : 'Not let in')
  socket.state = name === 'normal' ? 'closed' : wasOpen && name !== null ? 'ended' : name === null ? 'lost' : 'refused'
  socket.ending = `${event.code} ${name ?? (isUnread ? 'refused by HTTP, or lost' : 'lost')}`
  socket.advice = facts.refusals.get(name)?.what_to_do ?? ''
  socket.topics.clear()
  note(socket, 'note', `closed: ${event.code} ${event.reason}`, meaning)
}

function explainUnread () {
  const unread = [...facts.refusals.values()].filter(({ status, closable }) => status !== null && !closable).map(({ name, status }) => `${name} (${status})`)
  return `Refused before the upgrade, which a browser cannot read, or lost. refuse=close does not tell ${unread.join(', ')}, and ip_rate_limited only once in a window.`
}
