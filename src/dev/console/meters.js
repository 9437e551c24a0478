import { $, make, write } from './elements.js'
import { facts } from './facts.js'
import { chosen, LIVE, sockets } from './sockets.js'
import { secondsLeft } from './text.js'
import { token } from './token.js'

/** What this page did, and what the gateway said of it. */
export const used = { attempts: [], messages: [], attemptsBlockedUntilMs: 0, messagesBlockedUntilMs: 0 }
const within = (times, windowS) => times.filter((at) => at > Date.now() - windowS * 1000)

function makeMeter (id, name) {
  const title = make('span', { id: `${id}-name`, textContent: name })
  const parts = { root: make('div', { className: 'meter' }), title, count: make('b'), fill: make('span', { className: 'fill' }), hint: make('p', { className: 'hint' }) }
  parts.track = make('div', { className: 'track', role: 'meter' }, parts.fill)
  parts.track.setAttribute('aria-labelledby', title.id)
  parts.track.setAttribute('aria-valuemin', '0')
  parts.root.append(make('div', { className: 'bar' }, title, parts.count), parts.track, parts.hint)
  $('meters').append(parts.root)
  return parts
}
const meters = {
  attempts: makeMeter('attempts', 'Attempts'),
  slots: makeMeter('slots', 'Sockets'),
  messages: makeMeter('messages', 'Messages')
}

function setMeter ({ root, track, fill, count, hint }, { value, limit, isFull, words, about }) {
  root.classList.toggle('full', isFull)
  track.classList.toggle('plain', limit > 20)
  track.style.setProperty('--cells', String(limit))
  fill.style.width = `${isFull ? 100 : Math.min(100, 100 * value / limit)}%`
  track.setAttribute('aria-valuemax', String(limit))
  track.setAttribute('aria-valuenow', String(Math.min(value, limit)))
  track.setAttribute('aria-valuetext', words)
  write(count, words)
  write(hint, about)
}

function setWindow (meter, name, times, limit, windowS, blockedUntilMs) {
  const isFull = times.length >= limit || blockedUntilMs > Date.now()
  const oldestLeavesMs = (times[0] ?? 0) + windowS * 1000
  const about = isFull
    ? `Full. Room again in ${secondsLeft(blockedUntilMs > Date.now() ? blockedUntilMs : oldestLeavesMs)} s.`
    : times.length > 0 ? `One leaves in ${secondsLeft(oldestLeavesMs)} s.` : ''
  setMeter(meter, { value: times.length, limit, isFull, words: `${times.length} of ${limit}`, about })
  write(meter.title, `${name} in ${windowS} s`)
}

export function renderMeters () {
  const limits = { ...facts.limits, ...chosen()?.limits }
  const { attempts, attempt_window_s: attemptWindowS, connections, messages, message_window_s: messageWindowS } = limits
  used.attempts = within(used.attempts, attemptWindowS)
  used.messages = within(used.messages, messageWindowS)
  setWindow(meters.attempts, 'Attempts', used.attempts, attempts, attemptWindowS, used.attemptsBlockedUntilMs)
  setWindow(meters.messages, 'Messages', used.messages, messages, messageWindowS, used.messagesBlockedUntilMs)
  const user = chosen()?.user ?? token.claims?.sub ?? null
  const open = sockets.list.filter((socket) => socket.user === user && LIVE.includes(socket.state)).length
  write(meters.slots.title, user === null ? 'Sockets' : `Sockets of ${user}`)
  const isFull = open >= connections
  setMeter(meters.slots, { value: open, limit: connections, isFull, words: `${open} of ${connections}`, about: isFull ? 'Full. Room when one of them closes.' : '' })
}
