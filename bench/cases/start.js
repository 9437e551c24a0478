import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { makeRow } from '../measure/rounds.js'
import { findFreePort } from '../../scripts/free-port.js'
import { AUDIENCE, startIssuer } from '../servers/issuer.js'
import { startRedis } from '../servers/redis.js'

export const title = 'from the command to /readyz answering 200, with Redis and an issuer there'
const TIMEOUT_MS = 20_000
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export async function run (scope, { rounds, progress }) {
  const issuer = await startIssuer(scope)
  const redis = await startRedis(scope)
  const commands = { 'npm start': ['npm', ['start', '--silent']], 'node dist/main.js': [process.execPath, ['dist/main.js']] }
  const values = Object.fromEntries(Object.keys(commands).map(name => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, [program, args]] of Object.entries(commands)) {
      progress(`round ${round + 1} of ${rounds}: ${name}`)
      values[name].push(await timeStart(program, args, issuer, redis))
    }
  }
  progress('')
  return Object.keys(commands).map(name => makeRow({ name, unit: 'ms', values: values[name], targetMax: 3000 }))
}

async function timeStart (program, args, issuer, redis) {
  const adminPort = await findFreePort()
  const startedAt = performance.now()
  const child = spawn(program, args, {
    cwd: ROOT,
    detached: true,
    stdio: 'ignore',
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      HOST: '127.0.0.1',
      PORT: '0',
      ADMIN_PORT: String(adminPort),
      REDIS_URL: redis.url,
      JWT_ISSUER: issuer.url,
      JWT_AUDIENCE: AUDIENCE,
      JWT_JWKS_URI: issuer.jwksUrl
    }
  })
  try {
    while (!await isReady(adminPort)) {
      if (performance.now() - startedAt > TIMEOUT_MS || child.exitCode !== null) throw new Error(`${program} was not ready in time`)
      await new Promise((resolve) => { setTimeout(resolve, 5) })
    }
    return performance.now() - startedAt
  } finally {
    // npm's child too: the group is ours.
    if (child.exitCode === null) {
      process.kill(-child.pid, 'SIGKILL')
      await once(child, 'exit')
    }
  }
}

async function isReady (port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200
  } catch {
    return false
  }
}
