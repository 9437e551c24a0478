// Load in a process of its own: holds connections, sends frames that are answered, counts and times what arrives.
import { addressOf } from './addresses.js'
import { encodeFrame, openClient } from './raw-client.js'

const STAMP = Buffer.from('"t":"')
const STAMP_DIGITS = 16

const clients = []
let frames = 0
let lastLength = 0
let latenciesUs = []
let waitingFor = null
let fault = null
const nowUs = () => Number(process.hrtime.bigint() / 1000n)

/** Frames carry when they were published, on the clock that all processes of the host share. */
function noteLatency (payload) {
  const at = payload.indexOf(STAMP)
  if (at !== -1) latenciesUs.push(nowUs() - Number(payload.latin1Slice(at + STAMP.length, at + STAMP.length + STAMP_DIGITS)))
}

function checkWaiting () {
  if (waitingFor === null) return
  if (fault !== null) waitingFor.reject(fault)
  else if (frames >= waitingFor.count) waitingFor.resolve()
  else return
  waitingFor = null
}

/** Centrifugo's ping is an empty object, and so is the answer that it wants: else it ends the connection. */
const EMPTY = '{}'
const PONG = encodeFrame(EMPTY)
const NEWLINE = 10

/** Messages in a frame: Centrifugo writes several into one, a line each, when it has several; a ping may be among them. */
function readLines (payload) {
  let [messages, isPinged, from] = [0, false, 0]
  while (from < payload.length) {
    const newline = payload.indexOf(NEWLINE, from)
    const to = newline === -1 ? payload.length : newline
    if (to - from === EMPTY.length && payload.latin1Slice(from, to) === EMPTY) isPinged = true
    else messages++
    from = to + 1
  }
  return { messages, isPinged }
}

/**
 * Opens one connection; resolves when it has received as many frames as its greeting has. `hello`: what it sends as soon as it
 * may; `lines`: it speaks Centrifugo's protocol, with a message a line.
 */
function openOne ({ port, target, hello, address, greeting = { frames: 1 }, timed = false, lines = false }) {
  return new Promise((resolve, reject) => {
    let greeted = 0
    const client = {
      onAnswer: null,
      ...openClient({ port, target, localAddress: address }, {
        onOpen () { if (hello !== undefined) client.send(encodeFrame(hello)) },
        onText (payload) {
          let messages = 1
          if (lines) {
            const read = readLines(payload)
            if (read.isPinged) client.send(PONG)
            if (read.messages === 0) return
            messages = read.messages
          }
          if (greeted < greeting.frames) {
            if (++greeted === 1 && greeting.send !== undefined) client.send(encodeFrame(greeting.send))
            if (greeted === greeting.frames) resolve(client)
            return
          }
          frames += messages
          lastLength = payload.length
          if (timed) noteLatency(payload)
          if (client.onAnswer === null) checkWaiting()
          else client.onAnswer(payload)
        },
        onError (error) {
          fault ??= error
          reject(error)
          checkWaiting()
        }
      })
    }
  })
}

const operations = {
  /** Opens `count` connections, `inFlight` at once. */
  async connect ({ targets, hellos, count, firstAddress, inFlight = 64, ...more }) {
    let next = 0
    const worker = async () => {
      while (next < count) {
        const n = next++
        const [target, hello] = [targets[n % targets.length], hellos?.[n % hellos.length]]
        try {
          clients.push(await openOne({ ...more, target, hello, address: addressOf(firstAddress + n) }))
        } catch (error) {
          throw new Error(`connection ${n + 1} of ${count}: ${error.message}`, { cause: error })
        }
      }
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
    return { open: clients.length }
  },
  /** Each connection sends the next frame when the last was answered, until `total` are; `active`: how many take part. */
  async echo ({ text, total, active = clients.length }) {
    const frame = encodeFrame(text)
    let sent = 0
    let answered = 0
    const part = clients.slice(0, active)
    await new Promise((resolve, reject) => {
      const send = (client) => {
        if (sent >= total) return
        sent++
        client.send(frame)
      }
      for (const client of part) {
        client.onAnswer = (payload) => {
          if (payload.includes('"error"')) return reject(new Error(payload.toString()))
          if (++answered === total) resolve()
          else send(client)
        }
      }
      part.forEach(send)
    })
    for (const client of part) client.onAnswer = null
    return { answered }
  },
  /** Each connection sends a frame now and then, with pauses between the two bounds, until `forMs` are over; each must be answered. */
  async sendNowAndThen ({ text, forMs, leastMs, mostMs }) {
    const frame = encodeFrame(text)
    const endAt = performance.now() + forMs
    const pauseMs = () => leastMs + Math.random() * (mostMs - leastMs)
    let sent = 0
    await Promise.all(clients.map((client) => new Promise((resolve, reject) => {
      const next = (inMs) => {
        if (performance.now() + inMs > endAt) return resolve()
        setTimeout(() => {
          sent++
          client.send(frame)
        }, inMs)
      }
      client.onAnswer = (payload) => {
        if (payload.includes('"error"')) reject(new Error(payload.toString()))
        else next(pauseMs())
      }
      next(Math.random() * mostMs)
    })))
    for (const client of clients) client.onAnswer = null
    return { sent }
  },
  /** Each connection sends these frames, one after the other, and waits for an answer to each. */
  async sendEach ({ texts }) {
    await Promise.all(clients.map(async (client) => {
      for (const text of texts) {
        await new Promise((resolve, reject) => {
          client.onAnswer = payload => payload.includes('"type":"error"') ? reject(new Error(payload.toString())) : resolve()
          client.send(encodeFrame(text))
        })
      }
      client.onAnswer = null
    }))
    return { sent: texts.length }
  },
  /** All connections send this frame at once. Each must have an answer that holds all `wanted`, and after it all `events`, a number. */
  async recover ({ text, wanted, events }) {
    const frame = encodeFrame(text)
    let behind = clients.length
    await new Promise((resolve, reject) => {
      for (const client of clients) {
        let left = null
        client.onAnswer = (payload) => {
          if (left === null) {
            if (!wanted.every(text => payload.includes(text))) return reject(new Error(`not recovered: ${payload.toString()}`))
            left = events
          } else left--
          if (left === 0 && --behind === 0) resolve()
        }
      }
      for (const client of clients) client.send(frame)
    })
    for (const client of clients) client.onAnswer = null
    return { recovered: clients.length }
  },
  /** Frames since the start, greetings apart. */
  async mark () { return { frames, lastLength } },
  /** Resolves when so many frames have come since the start, or after `withinMs`. */
  async until ({ count, withinMs = 60_000 }) {
    let timer
    await new Promise((resolve, reject) => {
      timer = setTimeout(resolve, withinMs)
      waitingFor = { count, resolve, reject }
      checkWaiting()
    })
    clearTimeout(timer)
    waitingFor = null
    return { frames }
  },
  /** The delays of timed frames since the last call, in µs. */
  async takeLatencies () {
    const taken = latenciesUs
    latenciesUs = []
    return { latenciesUs: taken }
  },
  async resetAll () {
    for (const client of clients.splice(0)) client.reset()
    return { open: 0 }
  }
}

process.on('message', async ({ op, ...request }) => {
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  try {
    const answer = await operations[op](request)
    const { user, system } = process.cpuUsage(cpu)
    process.send({ ...answer, cpuUs: user + system, wallMs: performance.now() - startedAt })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
