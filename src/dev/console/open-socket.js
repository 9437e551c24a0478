import { tell } from './elements.js'
import { end } from './ending.js'
import { receive } from './frames.js'
import { note } from './log.js'
import { used } from './meters.js'
import { addSocket } from './socket-rows.js'
import { sockets } from './sockets.js'
import { gatewayUrl } from './text.js'
import { token } from './token.js'

/** `since`: how far an earlier socket was in its topics, by topic; null where that is not known. */
export function openSocket (wish, since = {}) {
  const { path, carrier, agent_ids: agentIds, task_ids: taskIds, event_types: eventTypes } = wish
  const own = carrier === 'none' ? null : since[`user:${token.claims.sub}`] ?? null
  const wanted = Object.entries({ agent_ids: agentIds, task_ids: taskIds, event_types: eventTypes, since: own ?? '' }).filter(([, value]) => value !== '')
  const query = new URLSearchParams(wanted).toString()
  const carried = carrier === 'none' ? '' : token.text
  const link = new WebSocket(gatewayUrl(`${path}?refuse=close${query === '' ? '' : `&${query}`}${carrier === 'query' ? `&token=${carried}` : ''}`),
    carrier === 'protocol' ? ['portcullis.v1', `bearer.${carried}`] : ['portcullis.v1'])
  const socket = {
    link,
    number: ++sockets.count,
    user: carried === '' ? null : String(token.claims.sub),
    claims: carried === '' ? null : token.claims,
    state: 'connecting',
    where: query === '' ? path : `${path}?${query.replaceAll('%2C', ',').replaceAll('%3A', ':')}`,
    carrier,
    limits: {},
    topics: new Set(),
    wish,
    since,
    places: new Map(),
    framesIn: 0,
    framesOut: 0,
    expiresAtMs: 0,
    ending: '',
    advice: '',
    attemptAt: Date.now()
  }
  used.attempts.push(socket.attemptAt)
  link.onmessage = ({ data }) => { receive(socket, data) }
  link.onclose = (event) => { end(socket, event) }
  addSocket(socket, comeBack)
  note(socket, 'note', `connecting to ${socket.where}, ${carrier === 'none' ? 'no token' : `token in the ${carrier}`}`)
  return socket
}

/** Opens another socket that goes on where this one was, with the token of now. */
function comeBack ({ wish, places }) {
  if (wish.carrier !== 'none' && token.text === '') return tell('connect-status', 'Mint a token first.', true)
  openSocket({ ...wish, agent_ids: '', task_ids: '' }, Object.fromEntries([...places].map(([topic, { pos }]) => [topic, pos])))
}
