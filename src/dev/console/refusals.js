import { $, make, write } from './elements.js'
import { facts } from './facts.js'
import { secondsLeft } from './text.js'

const shownRefusal = { retryAtMs: 0 }

/** A refusal as one line: its meaning, where it stands in the table, and what to do. */
function explain ({ name, message, status, close_code: code, what_to_do: todo }, retryAfterMs) {
  const where = [status === null ? '' : `HTTP ${status}`, code === null ? '' : `close ${code}`, retryAfterMs === null ? '' : `delay ${Math.ceil(retryAfterMs / 1000)} s`]
  return `${name}: ${message} (${where.filter(Boolean).join(', ')}). ${todo}`
}

export function showRefusal (socket, name, retryAfterMs, what) {
  const refusal = facts.refusals.get(name)
  if (refusal === undefined) return ''
  $('refusal').hidden = false
  write($('refusal-title'), `Socket #${socket.number}: ${name}`)
  write($('refusal-message'), `${what}: ${refusal.message}.`)
  const parts = [['HTTP status', refusal.status], ['close code', refusal.close_code], ['come back', refusal.reconnect]]
  $('refusal-facts').replaceChildren(...parts.filter(([, value]) => value !== null).map(([label, value]) => make('span', {}, `${label} `, make('b', { textContent: value }))))
  shownRefusal.retryAtMs = retryAfterMs === null ? 0 : Date.now() + retryAfterMs
  shownRefusal.todo = refusal.what_to_do
  const seen = [...$('refusals').children].find((item) => item.dataset.name === name)?.querySelector('.seen')
  if (seen) seen.hidden = false
  return explain(refusal, retryAfterMs)
}

export function renderRefusal () {
  const left = secondsLeft(shownRefusal.retryAtMs)
  const wait = shownRefusal.retryAtMs === 0 ? '' : left > 0 ? ` ${left} s to go.` : ' The delay is over.'
  write($('refusal-todo'), `${shownRefusal.todo ?? ''}${wait}`)
}
