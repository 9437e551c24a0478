import { requestRender } from './drawing.js'
import { $, make } from './elements.js'
import { isObject, parseJson } from './text.js'

const LOG_MAX = 500
const TEXT_MAX = 2000

const log = { waiting: [] }

/** Tokens are shown to nobody, not even to the one who minted them: screens are shared and photographed. */
export function withoutToken (text) {
  const frame = parseJson(text)
  return isObject(frame) && 'token' in frame ? JSON.stringify({ ...frame, token: '…' }) : text
}

const clip = (text) => text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length - TEXT_MAX} more characters)` : text

export function note (socket, way, text, meaning = '') {
  log.waiting.push({ number: socket?.number ?? null, way, text: clip(text), meaning, at: new Date() })
  if (log.waiting.length > LOG_MAX) log.waiting.shift()
  requestRender()
}

const WAYS = { in: ['↓', 'received'], out: ['↑', 'sent'], note: ['·', 'note'] }

function makeEntry ({ number, way, text, meaning, at }) {
  const [arrow, word] = WAYS[way]
  const item = make('li', { hidden: isFilteredOut(number) },
    make('time', { dateTime: at.toISOString(), textContent: `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}` }), ' ',
    make('span', { className: 'who', textContent: number === null ? '' : `#${number}` }), ' ',
    make('span', { className: 'way' }, make('span', { textContent: arrow, ariaHidden: 'true' }), make('span', { className: 'unseen', textContent: word })), ' ',
    make('span', { className: 'text', textContent: text }))
  if (meaning !== '') {
    item.append(make('p', { className: 'meaning', textContent: meaning }))
    item.dataset.bad = ''
  }
  item.dataset.way = way
  item.dataset.number = number ?? ''
  return item
}
const isFilteredOut = (number) => $('log-of').value !== '' && $('log-of').value !== String(number ?? '')

export function renderLog () {
  if ($('hold').checked || log.waiting.length === 0) return
  $('log').prepend(...log.waiting.splice(0).map(makeEntry).reverse())
  while ($('log').children.length > LOG_MAX) $('log').lastChild.remove()
  $('no-frames').hidden = true
}

export function filterLog () {
  for (const item of $('log').children) item.hidden = isFilteredOut(item.dataset.number)
}

export function clearLog () {
  $('log').replaceChildren()
  log.waiting = []
  $('no-frames').hidden = false
}
