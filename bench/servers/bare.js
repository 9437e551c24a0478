// The floor: uWebSockets.js that accepts every upgrade, checks nothing, sends one frame as the gateway does, and echoes.
import { loadBinding } from '../../dist/transport/uws/binding.js'

const { uws } = loadBinding()
const welcome = JSON.stringify({
  type: 'welcome',
  connection_id: 'x'.repeat(16),
  user_id: 'user-1',
  node: 'bare-1-abcdef',
  expires_at: new Date(0).toISOString(),
  limits: { frame_bytes: 1048576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 }
})

const app = uws.App().ws('/*', {
  maxPayloadLength: 1 << 20,
  maxBackpressure: 2 << 20,
  idleTimeout: 960,
  sendPingsAutomatically: false,
  upgrade: (res, req, context) => {
    res.upgrade({}, req.getHeader('sec-websocket-key'), '', '', context)
  },
  open: (ws) => { ws.send(welcome) },
  message: (ws, message, isBinary) => { ws.send(message, isBinary) }
})
app.listen('127.0.0.1', 0, (socket) => { process.send({ ready: true, port: uws.us_socket_local_port(socket) }) })
