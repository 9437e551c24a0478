import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { startTcpProxy } from './tcp-proxy.js'

t.test('what was said while replies were delayed arrives before what is said after the delay was lowered', async (t) => {
  const server = createServer((socket) => { socket.on('data', (bytes) => { socket.write(bytes) }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const proxy = await startTcpProxy(t, (server.address() as AddressInfo).port)
  const client = connect(proxy.port, '127.0.0.1')
  t.teardown(() => { client.destroy() })
  await once(client, 'connect')
  let heard = ''
  const all = new Promise<void>((resolve) => {
    client.on('data', (bytes) => {
      heard += bytes.toString()
      if (heard.length === 3) resolve()
    })
  })
  for (const [delayMs, text] of [[100, 'a'], [10, 'b'], [0, 'c']] as const) {
    proxy.delayReplies(delayMs)
    client.write(text)
    // Both ways of loopback lie between here and the relay's turn to wait.
    for (let turns = 0; turns < 50; turns++) await setImmediate()
  }
  await all
  t.equal(heard, 'abc')
})
