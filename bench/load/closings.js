// Load in a process of its own: holds connections of sessions, and tells when the server ended them.
import { addressOf } from './addresses.js'
import { openClient } from './raw-client.js'

/** On the clock that all processes of the host share, in µs. */
const nowUs = () => Number(process.hrtime.bigint() / 1000n)

let ended = []
let waiting = null
const open = new Set()

function noteEnd (session, why) {
  ended.push({ session, atUs: nowUs(), why })
  if (waiting !== null && ended.length >= waiting.count) waiting.resolve()
}

/** Opens one connection; resolves with its welcome. */
function openOne ({ port, target, address, session }) {
  return new Promise((resolve, reject) => {
    let isOpen = false
    const client = openClient({ port, target, localAddress: address }, {
      onText () {
        isOpen = true
        open.add(client)
        resolve()
      },
      onError (error) {
        open.delete(client)
        if (isOpen) noteEnd(session, error.message)
        else reject(error)
      }
    })
  })
}

const operations = {
  /** Opens one connection for each entry, `inFlight` at once. */
  async connect ({ port, sessions, firstAddress, inFlight = 64 }) {
    let next = 0
    const worker = async () => {
      while (next < sessions.length) {
        const n = next++
        await openOne({ port, address: addressOf(firstAddress + n), ...sessions[n] })
      }
    }
    await Promise.all(Array.from({ length: inFlight }, worker))
    return { open: open.size }
  },
  /** Waits until so many have ended since the last call, and tells when each did. */
  async takeEnds ({ count, withinMs = 30_000 }) {
    let timer
    if (ended.length < count) {
      await new Promise((resolve, reject) => {
        timer = setTimeout(() => { reject(new Error(`${ended.length} of ${count} connections were ended in ${withinMs} ms`)) }, withinMs)
        waiting = { count, resolve }
      }).finally(() => { waiting = null })
    }
    clearTimeout(timer)
    const ends = ended
    ended = []
    return { ends }
  },
  async resetAll () {
    for (const client of open) client.reset()
    open.clear()
    return { open: 0 }
  }
}

process.on('message', async ({ op, ...request }) => {
  try {
    process.send(await operations[op](request))
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
