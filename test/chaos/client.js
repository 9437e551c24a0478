import WebSocket from 'ws'

const HANDSHAKE_MS = 15_000

const WELCOME_FIRST = 'welcome is the first frame'
const NO_STRANGE_EVENT = 'no event reaches a client without the right to it'
const EXPLAINED_END = 'no socket ends but by its client, a signal of ours, or a refusal that it earned'
/** After a refresh that takes a right away, events may still be on their way for so long. */
const WITHDRAWAL_MS = 1000
/** The same by our own clock, where that of the gateway has been set: events may have waited while it stood still. */
const LONG_WITHDRAWAL_MS = 15_000

/** Closes that a client of ours can bring about: bad frames, too many messages, an operator's order, a token's end. */
const EARNED = new Set([4400, 4429, 4403, 4401, 1012, 1000, 1005])

/**
 * Who connects, from where, with what.
 * @typedef {object} Attempt
 * @property {string} url @property {string[]} protocols @property {Record<string, string>} headers @property {string} from
 * @property {string} userId @property {Set<string>} rights topics
 * @property {string} address @property {boolean} counts @property {import('./relay.js').Relay} front
 *
 * @typedef {{ kind: 'open', connection: Open } | { kind: 'refused', status: number, retryAfterS: number } | { kind: 'failed' }} Outcome
 */

/**
 * One open connection as its user sees it; checks every frame.
 * @typedef {ReturnType<typeof watch>} Open
 */
function watch (socket, attempt, sentAtMs, { ledger, tally, gateways, sends }) {
  let rights = attempt.rights
  let narrowedAtMs = -Infinity
  let ownEnd = false
  let code = 0
  const state = { seen: null, id: '', pass: null, comeBackInMs: 0 }
  /** What a refresh asked for, by its id. @type {Map<string, Set<string>>} */
  const asked = new Map()
  const ended = new Promise((resolve) => {
    socket.once('close', (closeCode) => {
      code = closeCode
      noteEnd()
      resolve()
    })
  })
  const noteEnd = () => { if (state.seen !== null) state.seen.endAtMs = Math.min(state.seen.endAtMs, Date.now()) }

  function onWelcome (frame) {
    const { userId, address, counts } = attempt
    state.id = frame.connection_id
    state.seen = { userId, node: frame.node, address, counts, sentAtMs, welcomeAtMs: Date.now(), endAtMs: Infinity, endedByClient: false }
    ledger.welcomed(state.id, state.seen)
  }
  function onEvent (frame) {
    const isDatedLate = Date.parse(frame.ts) > narrowedAtMs + WITHDRAWAL_MS
    const isLate = isDatedLate && (!gateways.some(gateway => gateway.hasJumped()) || Date.now() > narrowedAtMs + LONG_WITHDRAWAL_MS)
    const mayHear = frame.topic === `user:${attempt.userId}` || rights.has(frame.topic) || (!isLate && attempt.rights.has(frame.topic))
    const isItself = frame.data?.topic === frame.topic
    tally.count('operations', 'events received')
    tally.check(NO_STRANGE_EVENT, mayHear && isItself, () => ({ text: `${state.id} of ${attempt.userId} may hear ${[...rights].join(' ')}`, lines: [frame] }))
  }
  function onFrame (frame) {
    if (state.seen === null) {
      tally.check(WELCOME_FIRST, frame.type === 'welcome', () => ({ text: `first of all came ${frame.type}`, lines: [frame] }))
      if (frame.type === 'welcome') onWelcome(frame)
      return
    }
    tally.count('operations', `frames: ${frame.type}`)
    if (frame.type === 'event') onEvent(frame)
    if (frame.type === 'sent') sends.acknowledge(frame.id)
    if (frame.type === 'refreshed') {
      rights = asked.get(frame.id) ?? rights
      narrowedAtMs = Date.now()
    }
    if (frame.type === 'closing') {
      noteEnd()
      state.pass = frame.resume ?? null
      state.comeBackInMs = frame.reconnect_after_ms
    }
  }
  socket.on('message', (data) => { onFrame(JSON.parse(String(data))) })

  return {
    state,
    ended,
    isOpen: () => socket.readyState === WebSocket.OPEN,
    /** @param {object | string | Buffer} frame */
    send (frame) {
      tally.count('operations', `sent: ${frame.type ?? 'something malformed'}`)
      socket.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame))
    },
    ping () { socket.ping() },
    /** @param {string} token @param {Set<string>} newRights */
    refresh (token, newRights) {
      const id = `refresh-${asked.size}`
      asked.set(id, newRights)
      this.send({ type: 'refresh', id, token })
    },
    /** @param {'goodbye' | 'going' | 'cut' | 'reset'} how */
    end (how) {
      if (socket.readyState !== WebSocket.OPEN) return
      ownEnd = true
      if (state.seen !== null) state.seen.endedByClient = true
      noteEnd()
      tally.count('operations', `ended: ${how}`)
      if (how === 'goodbye') socket.close(1000)
      else if (how === 'going') socket.close()
      else if (how === 'cut') socket.terminate()
      else socket._socket.resetAndDestroy()
    },
    /** To be asked once it has ended. */
    checkEnd () {
      tally.count('operations', `closed: ${code}`)
      if (ownEnd || state.seen === null) return
      const { node, endAtMs } = state.seen
      // A busy client may read its welcome after the disturbance.
      const wasDisturbed = attempt.front.wasDisturbed(sentAtMs, endAtMs)
      const explained = EARNED.has(code) || wasDisturbed || ledger.node(node).killedAtMs < Infinity
      tally.check(EXPLAINED_END, explained, () => ({
        text: `${state.id} of ${attempt.userId} on ${node} ended with ${code} at ${new Date(endAtMs).toISOString()}`,
        lines: ledger.connections.get(state.id)?.closed ?? []
      }))
    }
  }
}

/**
 * Makes one attempt. `abortAfterMs`: the client gives up in the middle of it.
 * @param {Attempt} attempt
 * @returns {Promise<Outcome>}
 */
export async function open (attempt, world, abortAfterMs = null) {
  const sentAtMs = Date.now()
  const socket = new WebSocket(attempt.url, attempt.protocols, {
    localAddress: attempt.from, headers: attempt.headers, handshakeTimeout: HANDSHAKE_MS, perMessageDeflate: false
  })
  const connection = watch(socket, attempt, sentAtMs, world)
  const abort = abortAfterMs === null ? undefined : setTimeout(() => { socket.terminate() }, abortAfterMs)
  return await new Promise((resolve) => {
    const finish = (outcome) => {
      clearTimeout(abort)
      resolve(outcome)
    }
    socket.once('open', () => { finish({ kind: 'open', connection }) })
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      socket.terminate()
      finish({ kind: 'refused', status: response.statusCode, retryAfterS: Number(response.headers['retry-after'] ?? 0) })
    })
    // Also what follows the first outcome: a socket without a listener for errors ends the program.
    socket.on('error', () => { finish({ kind: 'failed' }) })
  })
}
