import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findFreePort } from '../../scripts/free-port.js'
import { findCentrifugo } from './centrifugo-binary.js'
import { startProgram } from './child.js'
import { AUDIENCE } from './issuer.js'

const START_TIMEOUT_MS = 15_000
const TRIES = 5
const PATH = '/connection/websocket'

/** What a client of it sends first: it opens with a token in a frame, where ours has it in the request. */
export const centrifugoClient = {
  target: PATH,
  /** @param {string} token @param {object} [more] */
  hello: (token, more) => JSON.stringify({ id: 1, connect: { token, ...more } }),
  accepted: '"connect":{"client":',
  refused: 'invalid token'
}

/** @param {{ issuer: { url: string, jwksUrl: string }, redis: { url: string } | null, port: number, log: string, key: string }} options */
const makeConfig = ({ issuer, redis, port, log, key }) => ({
  http_server: { address: '127.0.0.1', port },
  // Its own default, in a file as everybody's here.
  log: { level: 'info', file: log },
  engine: redis === null ? { type: 'memory' } : { type: 'redis', redis: { address: redis.url } },
  client: {
    token: { jwks_public_endpoint: issuer.jwksUrl, insecure_skip_jwks_endpoint_safety_check: true, audience: AUDIENCE, issuer: issuer.url },
    allowed_origins: ['*']
  },
  channel: {
    without_namespace: { allow_subscribe_for_client: true },
    namespaces: [{
      name: 'kept', allow_subscribe_for_client: true, history_size: 1000, history_ttl: '3600s', force_recovery: true
    }]
  },
  http_api: { key },
  health: { enabled: true },
  debug: { enabled: true },
  usage_stats: { disabled: true }
})

/**
 * Centrifugo with the same issuer's keys, its other settings as they come: no limits, no line for a connection. Null where it
 * is not to be had. Its channels of the namespace `kept` have a history.
 * @param {{ onEnd: (end: () => unknown) => void }} scope
 * @param {{ issuer: { url: string, jwksUrl: string }, redis?: { url: string } | null }} options without Redis it keeps all in memory
 */
export async function startCentrifugo (scope, { issuer, redis = null }) {
  const program = findCentrifugo()
  if (program === null) return null
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-centrifugo-'))
  scope.onEnd(() => { rmSync(folder, { recursive: true, force: true }) })
  const key = randomBytes(24).toString('hex')
  const config = join(folder, 'config.json')
  for (let tries = 0; tries < TRIES; tries++) {
    const port = await findFreePort()
    writeFileSync(config, JSON.stringify(makeConfig({ issuer, redis, port, log: join(folder, 'centrifugo.log'), key })))
    const child = startProgram(program, ['--config', config], {})
    scope.onEnd(child.stop)
    if (await untilHealthy(child, port)) return { ...child, port, ...createApi(port, key) }
    await child.stop()
  }
  throw new Error('Centrifugo did not start')
}

async function untilHealthy (child, port) {
  const endAt = performance.now() + START_TIMEOUT_MS
  while (!child.ended && performance.now() < endAt) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => null)
    if (answer?.status === 200) return true
    await new Promise((resolve) => { setTimeout(resolve, 10) })
  }
  return false
}

function createApi (port, key) {
  const call = async (method, body) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/${method}`, {
      method: 'POST', headers: { 'Content-Type': 'application/json', 'X-API-Key': key }, body: JSON.stringify(body)
    })
    const answer = await response.json()
    if (response.status !== 200 || answer.error !== undefined) throw new Error(`Centrifugo's ${method}: ${response.status} ${JSON.stringify(answer)}`)
    return answer
  }
  return {
    /** Publishes so many in one request. @param {string} channel @param {unknown} data @param {number} [times] */
    async publish (channel, data, times = 1) {
      const publish = { channel, data }
      const { replies } = await call('batch', { commands: Array.from({ length: times }, () => ({ publish })) })
      return replies.map(reply => reply.publish)
    },
    /** Has it collect its garbage. */
    async collectGarbage () {
      await (await fetch(`http://127.0.0.1:${port}/debug/pprof/heap?gc=1`)).arrayBuffer()
    }
  }
}
