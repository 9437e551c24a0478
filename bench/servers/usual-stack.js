// What most people would write: fastify, @fastify/websocket, @fastify/rate-limit (its counts in Redis), jsonwebtoken and
// jwks-rsa, doing what the gateway does: address limit, RS256 token, connections per user counted in Redis, a welcome, an
// accepted and a closed line in a file.
import rateLimit from '@fastify/rate-limit'
import websocket from '@fastify/websocket'
import fastify, { LogController } from 'fastify'
import { Redis } from 'ioredis'
import jwt from 'jsonwebtoken'
import jwksRsa from 'jwks-rsa'

const { REDIS_URL, ISSUER, JWKS_URL, AUDIENCE, LOG_FILE, IP_LIMIT, MESSAGE_LIMIT } = process.env
const USER_LIMIT = 5
const redis = new Redis(REDIS_URL)
const keys = jwksRsa({ jwksUri: JWKS_URL, cache: true, rateLimit: true })
const app = fastify({ logger: { level: 'info', file: LOG_FILE }, logController: new LogController({ disableRequestLogging: true }) })

const getKey = (header, done) => {
  keys.getSigningKey(header.kid, (error, key) => { done(error, key?.getPublicKey()) })
}
const verify = token => new Promise((resolve, reject) => {
  jwt.verify(token, getKey, { algorithms: ['RS256'], issuer: ISSUER, audience: AUDIENCE }, (error, claims) => {
    if (error === null) resolve(claims)
    else reject(error)
  })
})

await app.register(rateLimit, { max: Number(IP_LIMIT), timeWindow: '1 hour', redis })
await app.register(websocket, { options: { maxPayload: 1048576 } })
app.route({
  method: 'GET',
  url: '/ws',
  preValidation: async (request, reply) => {
    try {
      request.user = await verify(request.query.token)
    } catch {
      return reply.code(401).send({ error: 'invalid_token' })
    }
    const open = await redis.incr(`user:${request.user.sub}`)
    if (open > USER_LIMIT) {
      await redis.decr(`user:${request.user.sub}`)
      return reply.code(429).send({ error: 'user_connection_limit' })
    }
  },
  handler: (request, reply) => reply.code(426).send({ error: 'upgrade_required' }),
  wsHandler: (socket, request) => {
    const userId = request.user.sub
    const ip = request.ip
    let messages = 0
    request.log.info({ event: 'connection.accepted', user_id: userId, ip })
    socket.on('message', async (data) => {
      messages++
      const key = `messages:${ip}`
      const count = await redis.incr(key)
      if (count === 1) await redis.expire(key, 60)
      if (count > Number(MESSAGE_LIMIT)) return socket.close(4429)
      const frame = JSON.parse(data.toString())
      if (frame.type === 'ping') socket.send(JSON.stringify({ type: 'pong', id: frame.id }))
    })
    socket.on('error', () => {})
    socket.on('close', (code) => {
      redis.decr(`user:${userId}`).catch(() => {})
      request.log.info({ event: 'connection.closed', user_id: userId, ip, code, messages_in: messages })
    })
    socket.send(JSON.stringify({ type: 'welcome', user_id: userId, expires_at: new Date(request.user.exp * 1000).toISOString() }))
  }
})
await app.listen({ host: '127.0.0.1', port: 0 })
process.send({ ready: true, port: app.server.address().port })
