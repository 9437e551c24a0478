import { generateKeyPairSync, sign as signBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'

const AUDIENCE = 'portcullis'
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA']
/** As the issuer rotates, this many old keys go on being published: tokens under older ones are refused. */
const MAX_KEYS = 3
const TOKEN_LIFE_S = 60
const SLOW_MS = 700

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** @param {string} alg @param {string} kid */
function makeKey (alg, kid) {
  const pair = {
    RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
    ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    EdDSA: () => generateKeyPairSync('ed25519')
  }[alg]()
  return { alg, kid, privateKey: pair.privateKey, jwk: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

/** An issuer over HTTP whose keys change and which fails as it is told: `normal`, `away`, `html` or `slow`. */
export async function startIssuer () {
  let made = 0
  let keys = []
  let behaviour = 'normal'
  const timers = new Set()

  const rotate = () => {
    keys = [...keys, makeKey(ALGORITHMS[made % ALGORITHMS.length], `key-${made++}`)].slice(-MAX_KEYS)
  }
  const answer = (response) => {
    if (behaviour === 'html') return response.setHeader('content-type', 'text/html').end('<!doctype html><title>Sign in</title>')
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: keys.map(key => key.jwk) }))
  }
  const server = createServer((request, response) => {
    if (behaviour === 'away') return request.socket.destroy()
    if (behaviour !== 'slow') return answer(response)
    const timer = setTimeout(() => { timers.delete(timer); answer(response) }, SLOW_MS)
    timers.add(timer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  rotate()

  return {
    url,
    jwksUrl: `${url}/jwks.json`,
    rotate,
    /** @param {'normal' | 'away' | 'html' | 'slow'} how */
    behave (how) { behaviour = how },
    /** A good access token; `old` signs with the oldest key that is still published. @param {object} claims */
    sign (claims, { old = false } = {}) {
      const key = old ? keys[0] : keys.at(-1)
      const iat = Math.floor(Date.now() / 1000)
      const payload = { iss: url, aud: AUDIENCE, iat, exp: iat + TOKEN_LIFE_S, ...claims }
      const input = `${encode({ alg: key.alg, typ: 'JWT', kid: key.kid })}.${encode(payload)}`
      const hash = key.alg === 'EdDSA' ? null : 'sha256'
      return `${input}.${signBytes(hash, Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
    },
    async stop () {
      for (const timer of timers) clearTimeout(timer)
      server.closeAllConnections()
      await new Promise((resolve) => { server.close(resolve) })
    }
  }
}
