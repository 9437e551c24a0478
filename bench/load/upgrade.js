// Load in a process of its own: connects, upgrades, waits for the answer (and for the first frame), resets. A new TCP
// connection each time, and another address of 127.0.0.0/8, unless the batch names one.
import { connect } from 'node:net'
import { addressOf } from './addresses.js'
import { HANDSHAKE } from './raw-client.js'

const TIMEOUT_MS = 30_000

function upgradeOnce ({ port, status }, target, localAddress) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
    let got = ''
    socket.on('data', (part) => {
      got += part.latin1Slice()
      const end = got.indexOf('\r\n\r\n')
      // The head and at least one byte of body or frame: the server has done all its work for the answer.
      if (end === -1 || got.length <= end + 4) return
      socket.resetAndDestroy()
      if (got.startsWith(status, 9)) resolve()
      else reject(new Error(`not ${status}: ${got.slice(0, 300)}`))
    })
    socket.once('error', reject)
    socket.write(`GET ${target} HTTP/1.1\r\n${HANDSHAKE}`)
  })
}

let connections = 0
/** @param {{ port: number, targets: string[], count: number, status: string, address?: string, inFlight: number }} batch */
async function runBatch (batch) {
  const { targets, count, address, inFlight } = batch
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  let next = 0
  const worker = async () => {
    while (next < count) await upgradeOnce(batch, targets[next++ % targets.length], address ?? addressOf(connections++))
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const { user, system } = process.cpuUsage(cpu)
  return { cpuUs: user + system, wallMs: performance.now() - startedAt }
}

process.on('message', (batch) => {
  const timer = setTimeout(() => { process.send({ failed: `no answer in ${TIMEOUT_MS} ms` }) }, TIMEOUT_MS)
  runBatch(batch)
    .then(answer => { process.send(answer) }, error => { process.send({ failed: error.message }) })
    .finally(() => { clearTimeout(timer) })
})
process.send({ ready: true })
