import { createServer } from 'node:net'
import { answerRedis } from './answer-redis.js'
import { createCommandReader } from './read-commands.js'

/** Opens what answers as a Redis does, on a free port of loopback, and keeps nothing; resolves with the port. */
export async function openStandIn (): Promise<number> {
  const server = createServer((socket) => {
    const read = createCommandReader()
    socket.setEncoding('latin1').setNoDelay()
    socket.on('error', () => { socket.destroy() })
    socket.on('data', (bytes: string) => {
      try {
        const answers = read(bytes).map((command) => answerRedis(command, Date.now()))
        socket.write(answers.join(''), 'latin1')
      } catch {
        // A stranger on this host that speaks something else.
        socket.destroy()
      }
    })
  })
  // It keeps no process alive: what opened it lives on for reasons of its own.
  server.unref()
  return await new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    })
  })
}
