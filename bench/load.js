// A load generator in a process of its own: connects, upgrades, waits for the first frame, resets; a new TCP
// connection and another address of 127.0.0.0/8 each time. Asked by messages of its parent, one batch at a time.
import { connect } from 'node:net'

const IN_FLIGHT = 64

function upgradeOnce (port, target, n) {
  return new Promise((resolve, reject) => {
    const localAddress = `127.${10 + (n >> 16) % 200}.${(n >> 8) & 255}.${1 + (n & 255) % 254}`
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    let got = ''
    socket.setEncoding('latin1')
    socket.on('data', (text) => {
      got += text
      const end = got.indexOf('\r\n\r\n')
      // The head and at least one frame: the server has done all its work for the accept.
      if (end === -1 || got.length <= end + 4) return
      socket.resetAndDestroy()
      if (got.startsWith('HTTP/1.1 101')) resolve()
      else reject(new Error(got.slice(0, 200)))
    })
    socket.once('error', reject)
    socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n')
  })
}

let connections = 0
async function runBatch ({ port, targets }) {
  let next = 0
  const worker = async () => {
    while (next < targets.length) await upgradeOnce(port, targets[next++], connections++)
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker))
}

process.on('message', (batch) => {
  runBatch(batch).then(() => { process.send({ done: true }) }, (error) => { process.send({ failed: error.message }) })
})
