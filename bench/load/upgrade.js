// Load in a process of its own: connects, upgrades, waits for the answer (and for the first frame), resets. A new TCP
// connection each time, and another address of 127.0.0.0/8, unless the batch names one.
import { connect } from 'node:net'
import { addressOf } from './addresses.js'
import { encodeFrame, HANDSHAKE } from './raw-client.js'

const TIMEOUT_MS = 30_000
const HEAD_END = '\r\n\r\n'

function upgradeOnce ({ port, status, expected }, { target, hello }, localAddress) {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true })
    let got = ''
    let isGreeted = hello === undefined
    socket.on('data', (part) => {
      got += part.latin1Slice()
      const end = got.indexOf(HEAD_END)
      if (end === -1) return
      if (!isGreeted) {
        isGreeted = true
        socket.write(encodeFrame(hello))
      }
      // The head and at least one byte of body or frame: the server has done all its work for the answer.
      if (got.length <= end + HEAD_END.length) return
      socket.resetAndDestroy()
      if (status.split('|').some(each => got.startsWith(each, 9)) && (expected === undefined || got.includes(expected, end))) resolve()
      else reject(new Error(`not ${status}${expected === undefined ? '' : ` and ${expected}`}: ${got.slice(0, 300)}`))
    })
    socket.once('error', reject)
    socket.write(`GET ${target} HTTP/1.1\r\n${HANDSHAKE}`)
  })
}

let connections = 0
/**
 * @param {{ port: number, targets: string[], hellos?: string[], count: number, status: string, expected?: string,
 *   address?: string, inFlight: number }} batch `hellos`: the frame that each client sends once the server has switched
 *   protocols; `expected`: text that must follow the head of the answer
 */
async function runBatch (batch) {
  const { targets, hellos, count, address, inFlight } = batch
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  let next = 0
  const worker = async () => {
    while (next < count) {
      const n = next++
      const client = { target: targets[n % targets.length], hello: hellos?.[n % hellos.length] }
      await upgradeOnce(batch, client, address ?? addressOf(connections++))
    }
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
