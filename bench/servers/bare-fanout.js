// The floor of fan-out: every socket joins one topic, and app.publish is called when asked over IPC.
import { loadBinding } from '../../dist/transport/uws/binding.js'

const { uws } = loadBinding()
const app = uws.App().ws('/*', {
  maxBackpressure: 2 << 20,
  idleTimeout: 960,
  sendPingsAutomatically: false,
  open: (ws) => {
    ws.subscribe('topic')
    ws.send('welcome')
    ws.send('subscribed')
  }
})
process.on('message', ({ text, times }) => {
  for (let i = 0; i < times; i++) app.publish('topic', text)
  process.send({ published: times })
})
app.listen('127.0.0.1', 0, (socket) => { process.send({ ready: true, port: uws.us_socket_local_port(socket) }) })
