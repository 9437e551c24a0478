import { note } from './log.js'
import { used } from './meters.js'
import { beginTopics, setPlace } from './places.js'
import { showRefusal } from './refusals.js'
import { isObject, parseJson } from './text.js'
import { nextId, transmit } from './transmit.js'

export function receive (socket, text) {
  socket.framesIn += 1
  const frame = parseJson(text)
  const handler = isObject(frame) && Object.hasOwn(ON_FRAME, frame.type) ? ON_FRAME[frame.type] : () => ''
  note(socket, 'in', text, handler(socket, frame) ?? '')
}

const topicsOf = ({ agent_ids: agents = [], task_ids: tasks = [] }) => [...agents.map((id) => `agent:${id}`), ...tasks.map((id) => `task:${id}`)]

/** What a frame changes on the page; returns the meaning of a refusal or a loss. */
const ON_FRAME = {
  welcome (socket, { user_id: user, expires_at: expiresAt, limits, positions, recovered }) {
    Object.assign(socket, { state: 'open', user, limits, expiresAtMs: Date.parse(expiresAt) })
    goOn(socket)
    return beginTopics(socket, positions, recovered === undefined ? {} : { [`user:${user}`]: recovered })
  },
  subscribed (socket, frame) {
    for (const topic of topicsOf(frame)) socket.topics.add(topic)
    return beginTopics(socket, frame.positions, frame.recovered)
  },
  unsubscribed (socket, frame) {
    for (const topic of topicsOf(frame)) {
      socket.topics.delete(topic)
      socket.places.delete(topic)
    }
  },
  event (socket, { topic, pos, replayed = false }) {
    if (pos !== undefined) setPlace(socket, topic, { pos, replayed: (socket.places.get(topic)?.replayed ?? 0) + Number(replayed) })
  },
  gap (socket, { topics }) {
    for (const [topic, pos] of Object.entries(topics)) setPlace(socket, topic, { pos, hasGap: true, recovered: null })
    return `Events of ${Object.keys(topics).join(', ')} may be missing, although the connection stood: fetch the state anew.`
  },
  positions (socket, { topics }) { for (const [topic, pos] of Object.entries(topics)) setPlace(socket, topic, { pos }) },
  expiring (socket) { socket.state = 'expiring' },
  refreshed (socket, { expires_at: expiresAt }) { Object.assign(socket, { state: 'open', expiresAtMs: Date.parse(expiresAt) }) },
  error (socket, { error, retry_after_ms: retryAfterMs = null }) {
    const name = error === 'Too Many Requests' ? 'too_many_requests' : error
    if (name !== error) used.messagesBlockedUntilMs = Date.now() + retryAfterMs
    return showRefusal(socket, name, retryAfterMs, 'A frame was refused')
  },
  closing (socket, { error, reconnect_after_ms: retryAfterMs }) {
    return showRefusal(socket, error, retryAfterMs, 'The gateway is about to close')
  }
}

/** What an earlier socket heard is asked for again, from where it was. */
function goOn (socket) {
  const topics = Object.keys(socket.since).filter((topic) => /^(agent|task):/.test(topic))
  if (topics.length === 0) return
  const idsOf = (kind) => topics.filter((topic) => topic.startsWith(`${kind}:`)).map((topic) => topic.slice(kind.length + 1))
  const lists = Object.entries({ agent_ids: idsOf('agent'), task_ids: idsOf('task') }).filter(([, ids]) => ids.length > 0)
  const since = Object.fromEntries(topics.map((topic) => [topic, socket.since[topic]]).filter(([, pos]) => pos !== null))
  transmit({ type: 'subscribe', id: nextId(), ...Object.fromEntries(lists), since }, socket)
}
