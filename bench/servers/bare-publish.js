// The least that publishing by HTTP can cost in this language: uWebSockets.js that reads the body, checks nothing, runs the script
// once for all of it by ioredis, and answers.
import { Redis } from 'ioredis'
import { loadBinding } from '../../dist/transport/uws/binding.js'

const { uws } = loadBinding()
const redis = new Redis(process.env.REDIS_URL)
const sha = await redis.script('LOAD', process.env.SCRIPT)

async function publish (body) {
  const parsed = JSON.parse(body)
  const events = Array.isArray(parsed) ? parsed : [parsed]
  const args = events.flatMap(({ event, data }) => [event, JSON.stringify(data), ''])
  return await redis.evalsha(sha, 1, `ws:history:{ws:topic:${events[0].topic}}`, ...args, 'tell')
}

const app = uws.App().post('/v1/publish', (res) => {
  const chunks = []
  res.onAborted(() => {})
  res.onData((chunk, isLast) => {
    chunks.push(Buffer.from(new Uint8Array(chunk)))
    if (!isLast) return
    publish(Buffer.concat(chunks).toString()).then((answers) => {
      res.cork(() => { res.writeStatus('202 Accepted').end(JSON.stringify(answers.map(pos => ({ accepted: true, pos })))) })
    })
  })
})
app.listen('127.0.0.1', 0, (socket) => { process.send({ ready: true, port: uws.us_socket_local_port(socket) }) })
