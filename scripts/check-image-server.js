// Starts the image's server, connects to it with a token of an issuer made here, and stops it with SIGTERM.
//   node scripts/check-image-server.js START HEALTH    two programs that take settings as NAME=VALUE arguments
// Needs Node 22 or newer, for its WebSocket; scripts/check-image.sh runs it with the image's own Node.
import { strict as assert } from 'node:assert'
import { spawn, spawnSync } from 'node:child_process'
import { generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTcpServer } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

const AUDIENCE = 'check-image'
const START_DEADLINE_MS = 30_000
const STOP_DEADLINE_MS = 20_000

async function startIssuer () {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = { ...publicKey.export({ format: 'jwk' }), kid: 'check', use: 'sig', alg: 'RS256' }
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json').end(JSON.stringify({ keys: [key] }))
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const mintToken = () => {
    const issuedAt = Math.floor(Date.now() / 1000)
    const claims = { iss: url, aud: AUDIENCE, sub: 'alice', iat: issuedAt, exp: issuedAt + 300 }
    const text = `${part({ alg: 'RS256', typ: 'JWT', kid: key.kid })}.${part(claims)}`
    return `${text}.${sign('sha256', Buffer.from(text), privateKey).toString('base64url')}`
  }
  return { url, mintToken, close: () => { server.closeAllConnections(); server.close() } }
}

async function findFreePort () {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

async function until (what, deadlineMs, isTrue) {
  const end = performance.now() + deadlineMs
  while (!await isTrue()) {
    assert(performance.now() < end, `${what}: not within ${deadlineMs} ms`)
    await wait(100)
  }
  console.log(`ok: ${what}`)
}

/** The process behind unshare, which passes no signal on; its own --kill-child is forgotten when the user changes. */
function findServer (pid) {
  if (readFileSync(`/proc/${pid}/comm`, 'utf8').trim() !== 'unshare') return pid
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return children === '' ? pid : Number(children.split(' ')[0])
}

/** However this program ends, the server ends with it. */
function killAtExit (server) {
  process.once('exit', () => {
    if (server.exitCode === null && server.signalCode === null) process.kill(findServer(server.pid), 'SIGKILL')
  })
  for (const signal of ['SIGHUP', 'SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
}

async function connect (url) {
  const socket = new WebSocket(url)
  const closed = once(socket, 'close')
  const [frame] = await Promise.race([
    once(socket, 'message'),
    closed.then(([close]) => assert.fail(`the connection was refused or closed: ${close.code} ${close.reason}`))
  ])
  assert.equal(JSON.parse(frame.data).type, 'welcome')
  console.log('ok: a WebSocket opens and is welcomed')
  return { closed }
}

async function check (start, health) {
  const issuer = await startIssuer()
  const [port, adminPort] = [await findFreePort(), await findFreePort()]
  const settings = [
    'HOST=127.0.0.1', `PORT=${port}`, `ADMIN_PORT=${adminPort}`, 'WS_DRAIN_SECONDS=1',
    `JWT_ISSUER=${issuer.url}`, `JWT_AUDIENCE=${AUDIENCE}`, `JWT_JWKS_URI=${issuer.url}/jwks.json`
  ]
  const server = spawn(start, settings, { stdio: ['ignore', 'inherit', 'inherit'] })
  killAtExit(server)
  const exited = once(server, 'exit')
  const assertRunning = () => assert.equal(server.exitCode, null, `the server ended with code ${server.exitCode}`)
  try {
    await until('the health check passes', START_DEADLINE_MS, () => {
      assertRunning()
      return spawnSync(health, settings, { timeout: 5000 }).status === 0
    })
    await until('the server is ready', START_DEADLINE_MS, async () => {
      assertRunning()
      return (await fetch(`http://127.0.0.1:${adminPort}/readyz`)).ok
    })
    const { closed } = await connect(`ws://127.0.0.1:${port}/ws?token=${issuer.mintToken()}`)
    process.kill(findServer(server.pid), 'SIGTERM')
    const late = AbortSignal.timeout(STOP_DEADLINE_MS)
    const [code, signal] = await Promise.race([exited, once(late, 'abort').then(() => assert.fail('SIGTERM did not end the server'))])
    assert.deepEqual({ code, signal }, { code: 0, signal: null })
    assert.equal((await closed)[0].code, 1012)
    console.log('ok: SIGTERM closes the connection with 1012 and ends the server with 0')
    assert.notEqual(spawnSync(health, settings, { timeout: 5000 }).status, 0, 'the health check passes without a server')
    console.log('ok: the health check fails without a server')
  } finally {
    issuer.close()
  }
}

const [start, health] = process.argv.slice(2)
await check(start, health)
