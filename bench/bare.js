// The floor: uWebSockets.js that accepts every upgrade, checks nothing and sends one frame as the gateway does.
import { loadBinding } from '../dist/server/binding.js'

const { uws } = loadBinding()
const welcome = JSON.stringify({ type: 'welcome', connection_id: 'x'.repeat(12), user_id: 'user-1', node: 'bare', expires_at: new Date(0).toISOString() })
uws.App().ws('/*', {
  upgrade: (res, req, context) => {
    res.upgrade({}, req.getHeader('sec-websocket-key'), '', '', context)
  },
  open: (ws) => { ws.send(welcome) }
}).listen('127.0.0.1', 0, (socket) => { process.stdout.write(`port ${uws.us_socket_local_port(socket)}\n`) })
