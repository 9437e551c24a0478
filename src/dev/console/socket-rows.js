import { requestRender } from './drawing.js'
import { $, make, write } from './elements.js'
import { filterLog } from './log.js'
import { renderPlaces } from './places.js'
import { chosen, isUsable, LIVE, sockets } from './sockets.js'
import { clock, secondsLeft } from './text.js'
import { refresh } from './transmit.js'

const SOCKETS_MAX = 40

/** `onComeBack` opens another one that goes on where this one was. */
export function addSocket (socket, onComeBack) {
  const radio = make('input', { type: 'radio', name: 'chosen', onchange: () => { choose(socket) } })
  const row = {
    root: make('li'),
    radio,
    state: make('span', { className: 'state' }),
    user: make('span'),
    expiry: make('span', { className: 'expiry' }),
    counts: make('span', { className: 'counts' }),
    where: make('span'),
    places: make('ul', { className: 'places', hidden: true }),
    placesText: '',
    comeBack: make('button', { type: 'button', className: 'small', textContent: 'Come back', hidden: true, onclick: () => { onComeBack(socket) } }),
    refresh: make('button', { type: 'button', className: 'small', textContent: 'Refresh', onclick: () => { refresh(socket) } }),
    close: make('button', { type: 'button', className: 'small', onclick: () => { closeOrRemove(socket) } })
  }
  row.refresh.setAttribute('aria-label', `Refresh the token of socket ${socket.number}`)
  row.comeBack.setAttribute('aria-label', `Come back where socket ${socket.number} was`)
  row.places.setAttribute('aria-label', `Positions of socket ${socket.number}`)
  row.root.append(
    make('label', { className: 'pick' }, radio, make('b', { textContent: `#${socket.number}` }), row.user, row.state, row.expiry),
    make('p', { className: 'where' }, row.counts, ' · ', row.where), row.places,
    make('span', { className: 'buttons' }, row.refresh, row.comeBack, row.close))
  socket.row = row
  sockets.list.push(socket)
  $('sockets').append(row.root)
  $('log-of').append(new Option(`#${socket.number}`, String(socket.number)))
  if (chosen() === null || !isUsable(chosen())) choose(socket)
  const ended = sockets.list.find((other) => !isUsable(other))
  if (sockets.list.length > SOCKETS_MAX && ended !== undefined) removeSocket(ended)
}

function choose (socket) {
  sockets.chosen = socket
  if (socket !== null) socket.row.radio.checked = true
  write($('target'), socket === null ? 'no socket' : `socket #${socket.number}`)
  requestRender()
}

function closeOrRemove (socket) {
  if (isUsable(socket)) return socket.link.close(1000)
  const next = socket.row.root.nextElementSibling ?? socket.row.root.previousElementSibling
  removeSocket(socket)
  // The button that had the focus is gone: the keyboard goes on at its neighbour.
  const landing = next?.querySelector('.buttons button:last-child') ?? $('sockets-title')
  landing.focus()
}

export function removeSocket (socket) {
  sockets.list.splice(sockets.list.indexOf(socket), 1)
  socket.row.root.remove()
  const option = [...$('log-of').options].find(({ value }) => value === String(socket.number))
  const wasFiltered = option.selected
  option.remove()
  if (wasFiltered) filterLog()
  if (chosen() === socket) choose(sockets.list.find(isUsable) ?? sockets.list.at(-1) ?? null)
  requestRender()
}

export function renderSocket (socket) {
  const { row, state, user, expiresAtMs, framesIn, framesOut, topics, carrier, where, ending } = socket
  const isLive = LIVE.includes(state)
  row.root.dataset.state = state
  row.root.dataset.number = socket.number
  write(row.user, user ?? 'no token')
  write(row.state, state)
  write(row.expiry, isLive ? `expires in ${clock(secondsLeft(expiresAtMs))}` : ending)
  write(row.counts, `${framesIn} in, ${framesOut} out`)
  write(row.where, isLive ? `hears ${[...topics, `user:${user}`].join(', ')}` : `${where}, ${carrier === 'none' ? 'no token' : carrier}`)
  row.refresh.hidden = !isLive
  row.comeBack.hidden = isUsable(socket) || socket.places.size === 0
  renderPlaces(socket)
  row.refresh.classList.toggle('primary', state === 'expiring')
  write(row.close, isUsable(socket) ? 'Close' : 'Remove')
  row.close.setAttribute('aria-label', `${row.close.textContent} socket ${socket.number}`)
}
