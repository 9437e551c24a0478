import { tell, values } from './elements.js'
import { note, withoutToken } from './log.js'
import { used } from './meters.js'
import { chosen, sockets } from './sockets.js'
import { requestToken } from './token.js'

export function transmit (frame, socket = chosen()) {
  if (socket?.link.readyState !== WebSocket.OPEN) return tell('frames-status', 'Choose an open socket first.', true)
  tell('frames-status', '')
  const text = typeof frame === 'string' ? frame : JSON.stringify(frame)
  socket.link.send(text)
  socket.framesOut += 1
  used.messages.push(Date.now())
  note(socket, 'out', withoutToken(text))
}

export const nextId = () => String(++sockets.frames)

/** A new token of the same user, with the same rights, and the lifetime that the form says. */
export async function refresh (socket) {
  if (socket?.claims == null) return tell('frames-status', 'Choose an open socket that has a token.', true)
  const { sub, agents, tasks, scope } = socket.claims
  try {
    const { text } = await requestToken({ sub, agents, tasks, scope, ttl: values('mint').ttl })
    transmit({ type: 'refresh', id: nextId(), token: text }, socket)
  } catch (error) {
    tell('frames-status', `No new token: ${error.message}`, true)
  }
}
