import { fork, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSigner } from 'fast-jwt'
import { ensureServer } from '../scripts/ensure-server.js'
import { startServer } from './server-process.js'

const here = name => fileURLToPath(new URL(name, import.meta.url))
const WARM_UP = 4000
const UNLIMITED = String(1_000_000_000)

/** An issuer in this process: its keys over HTTP, as many tokens as are asked for. */
async function startIssuer () {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', use: 'sig', alg: 'RS256' }] })
  const server = createServer((_request, response) => { response.setHeader('content-type', 'application/json').end(jwks) }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const sign = createSigner({ algorithm: 'RS256', key: privateKey.export({ type: 'pkcs8', format: 'pem' }), kid: 'bench' })
  let made = 0
  const token = () => {
    const iat = Math.floor(Date.now() / 1000)
    made++
    return sign({ iss: url, aud: 'bench', sub: `user-${made % 1000}`, jti: String(made), iat, exp: iat + 3600 })
  }
  return { url, token, close: () => { server.close() } }
}

async function startRedis (folder) {
  const program = ensureServer('redis')
  for (let port = 20_000 + process.pid % 20_000; ; port++) {
    const child = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', folder], { stdio: ['ignore', 'pipe', 'ignore'] })
    let text = ''
    const ready = await new Promise((resolve) => {
      child.stdout.setEncoding('utf8').on('data', (part) => {
        text += part
        if (text.includes('Ready to accept connections')) resolve(true)
      })
      child.once('exit', () => { resolve(false) })
    })
    if (ready) return { url: `redis://127.0.0.1:${port}`, stop: () => { child.kill('SIGKILL') } }
  }
}

const median = values => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

/** CPU of one accepted and closed connection: bare uWebSockets.js, and the gateway with everything on. */
export async function runUpgrade ({ rounds, operations }) {
  const folder = mkdtempSync(join(tmpdir(), 'portcullis-bench-'))
  const [issuer, redis] = [await startIssuer(), await startRedis(folder)]
  const load = fork(here('load.js'))
  const drive = async (port, targets) => {
    load.send({ port, targets })
    const [answer] = await once(load, 'message')
    if (answer.failed !== undefined) throw new Error(answer.failed)
  }
  const bare = await startServer(process.execPath, [here('bare.js')], {}, line => /^port (\d+)$/.exec(line)?.[1] ?? null)
  let port = null
  const gateway = await startServer(process.execPath, [here('../dist/main.js')], {
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_PORT: '0',
    REDIS_URL: redis.url,
    JWT_ISSUER: issuer.url,
    JWT_AUDIENCE: 'bench',
    JWT_JWKS_URI: `${issuer.url}/jwks`,
    WS_IP_CONNECTIONS: UNLIMITED,
    WS_USER_CONNECTIONS: UNLIMITED,
    LOG_FILE: join(folder, 'portcullis.log')
  }, (line) => {
    const entry = JSON.parse(line)
    port = entry.event === 'server.started' ? entry.port : port
    return entry.event === 'jwks.refreshed' ? port : null
  })

  const known = issuer.token()
  const subjects = [
    { server: 'bare uWebSockets.js', at: bare, targets: count => Array(count).fill('/ws') },
    { server: 'portcullis, fresh token', at: gateway, targets: count => Array.from({ length: count }, () => `/ws?token=${issuer.token()}`) },
    { server: 'portcullis, known token', at: gateway, targets: count => Array(count).fill(`/ws?token=${known}`) }
  ]
  const figures = new Map(subjects.map(({ server }) => [server, []]))
  try {
    for (const { at, targets } of subjects) await drive(at.port, targets(WARM_UP))
    for (let round = 0; round < rounds; round++) {
      for (const { server, at, targets } of subjects) {
        const batch = targets(operations)
        const before = at.cpuUs()
        await drive(at.port, batch)
        // What is still due, such as the closed lines of the last few, belongs to these operations.
        await new Promise((resolve) => { setTimeout(resolve, 200) })
        figures.get(server).push((at.cpuUs() - before) / operations)
      }
    }
  } finally {
    load.kill()
    await Promise.all([bare.stop(), gateway.stop()])
    redis.stop()
    issuer.close()
    rmSync(folder, { recursive: true, force: true })
  }
  const floor = median(figures.get('bare uWebSockets.js'))
  return subjects.map(({ server }) => {
    const values = figures.get(server)
    return { server, medianUs: median(values), minUs: Math.min(...values), maxUs: Math.max(...values), ratio: median(values) / floor }
  })
}
