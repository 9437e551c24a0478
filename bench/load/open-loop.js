// Load in a process of its own: opens connections at a rate, whatever becomes of those before, and says how each ended. The
// time that one waits begins when it was due: who is late, load or server, makes it longer.
import { connect } from 'node:net'
import { addressOf } from './addresses.js'
import { HANDSHAKE } from './raw-client.js'

/** What has no answer by then, after the last was due, has none. */
const LATEST_MS = 10_000
const HEAD_END = '\r\n\r\n'
const ACCEPTED = '101'
const OVERLOADED = '503'
/** Who is refused so comes again after what `Retry-After` says, a second, and up to this much more. */
const RETRY_AFTER_MS = 1000
const RETRY_SPREAD_MS = 1000

/** @param {number} ms */
const pause = ms => new Promise((resolve) => { setTimeout(resolve, ms) })

/** Opens one; `onEnd` is told once: `101` for a first frame, another status, or the system's code. Gives back how to end it. */
function openOne (port, target, localAddress, onEnd) {
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
  let got = ''
  let ended = false
  const end = (outcome) => {
    if (ended) return
    ended = true
    socket.resetAndDestroy()
    onEnd(outcome)
  }
  socket.on('data', (part) => {
    got += part.latin1Slice()
    const at = got.indexOf(HEAD_END)
    if (at === -1) return
    const status = got.slice(9, 12)
    if (status !== ACCEPTED || got.length > at + HEAD_END.length) end(status)
  })
  socket.on('error', (error) => { end(error.code ?? error.message) })
  socket.on('close', () => { end('closed') })
  socket.write(`GET ${target} HTTP/1.1\r\n${HANDSHAKE}`)
  return end
}

/** @param {{ port: number, targets: string[], perS: number, forMs: number, firstAddress: number, comesBack?: boolean }} request */
async function runOpenLoop ({ port, targets, perS, forMs, firstAddress, comesBack = false }) {
  const cpu = process.cpuUsage()
  const offered = Math.round(perS * forMs / 1000)
  const outcomes = {}
  const [acceptedMs, lateMs, open] = [[], [], new Set()]
  const startedAt = performance.now()
  const comeAgain = (n, dueAt) => {
    const timer = setTimeout(() => {
      open.delete(forget)
      attempt(n, dueAt)
    }, RETRY_AFTER_MS + Math.random() * RETRY_SPREAD_MS)
    const forget = () => { clearTimeout(timer) }
    open.add(forget)
  }
  const attempt = (n, dueAt) => {
    const end = openOne(port, targets[n % targets.length], addressOf(firstAddress + n), (outcome) => {
      open.delete(end)
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      if (outcome === ACCEPTED) acceptedMs.push(performance.now() - dueAt)
      else if (comesBack && outcome === OVERLOADED) comeAgain(n, dueAt)
    })
    open.add(end)
  }
  const start = (n, dueAt) => {
    lateMs.push(performance.now() - dueAt)
    attempt(n, dueAt)
  }
  for (let made = 0; made < offered;) {
    const due = Math.min(offered, Math.floor((performance.now() - startedAt) / 1000 * perS) + 1)
    for (; made < due; made++) start(made, startedAt + made / perS * 1000)
    await pause(0)
  }
  const busyMs = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpu)
  const endAt = performance.now() + LATEST_MS
  while (open.size > 0 && performance.now() < endAt) await pause(5)
  for (const end of [...open]) end('no answer')
  return { offered, outcomes, acceptedMs, lateMs, loadShare: (user + system) / busyMs / 10, busyMs }
}

process.on('message', (request) => {
  runOpenLoop(request).then(answer => { process.send(answer) }, error => { process.send({ failed: error.message }) })
})
process.send({ ready: true })
