import t from 'tap'
import { loadBinding } from '../../../src/transport/uws/binding.js'
import { UwsSocket, type UserData } from '../../../src/transport/uws/socket.js'
import { connect } from 'node:net'

t.test('what is sent together leaves in order, and a fault of the sender is the sender\'s', async (t) => {
  const { uws } = loadBinding()
  const faults: unknown[] = []
  const app = uws.App().ws<UserData>('/*', {
    upgrade: (res, req, context) => {
      res.upgrade({ s: new UwsSocket(null) }, req.getHeader('sec-websocket-key'), '', '', context)
    },
    open: (ws) => {
      const { s } = ws.getUserData()
      s.opened(ws)
      setImmediate(() => {
        s.together(() => { for (const text of ['one', 'two', 'three']) s.send(text) })
        try {
          s.together(() => {
            s.send('four')
            throw new Error('mine')
          })
        } catch (error) { faults.push(error) }
        s.together(() => { s.terminate() })
        s.closed(1006)
        s.together(() => { s.send('to nobody') })
      })
    }
  })
  t.teardown(() => { app.close() })
  const port = await new Promise<number>((resolve) => {
    app.listen('127.0.0.1', 0, (socket) => { resolve(uws.us_socket_local_port(socket as never)) })
  })
  const got: Buffer[] = []
  await new Promise<void>((resolve) => {
    const client = connect(port, '127.0.0.1')
    client.on('data', (part) => { got.push(part) }).on('error', () => {}).on('close', () => { resolve() })
    client.write('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n')
  })
  t.same(faults, [new Error('mine')])
  const frames = Buffer.concat(got).toString('latin1').split('\r\n\r\n')[1]
  t.equal(frames, ['one', 'two', 'three', 'four'].map(text => `\x81${String.fromCharCode(text.length)}${text}`).join(''))
})
