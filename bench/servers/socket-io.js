// Socket.IO with its Redis adapter: every socket joins one room.
import { createServer } from 'node:http'
import { createAdapter } from '@socket.io/redis-adapter'
import { Redis } from 'ioredis'
import { Server } from 'socket.io'

const publisher = new Redis(process.env.REDIS_URL)
const subscriber = publisher.duplicate()
const http = createServer()
const io = new Server(http, { transports: ['websocket'], adapter: createAdapter(publisher, subscriber), pingInterval: 600_000, perMessageDeflate: false })
io.on('connection', (socket) => { socket.join('room') })
// Asked over IPC, it sends to the room of the other servers: through Redis, as a back end's emitter would.
process.on('message', ({ data, times }) => {
  for (let i = 0; i < times; i++) io.to('room').emit('event', data)
  process.send({ published: times })
})
http.listen(0, '127.0.0.1', () => { process.send({ ready: true, port: http.address().port }) })
