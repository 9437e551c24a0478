import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createSigner } from 'fast-jwt'

export const AUDIENCE = 'bench'
const KEY_ID = 'bench'
const INTROSPECTION = '/introspect'
const LOGOUT = 'http://schemas.openid.net/event/backchannel-logout'
/** Users that tokens are spread over. */
export const USERS = 1000

/**
 * An issuer in this process: its keys over HTTP, and as many tokens as are asked for.
 * @param {{ onEnd: (end: () => unknown) => void }} scope
 */
export async function startIssuer (scope) {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KEY_ID, use: 'sig', alg: 'RS256' }] })
  const state = { fetches: 0, questions: 0, down: false }
  const server = createServer((request, response) => {
    request.resume()
    const isQuestion = request.url === INTROSPECTION
    if (isQuestion) state.questions++
    else state.fetches++
    if (state.down) request.socket.destroy()
    else response.setHeader('content-type', 'application/json').end(isQuestion ? '{"active":true}' : jwks)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  scope.onEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  const url = `http://127.0.0.1:${server.address().port}`
  const signing = { algorithm: 'RS256', key: privateKey.export({ type: 'pkcs8', format: 'pem' }), kid: KEY_ID }
  const sign = createSigner(signing)
  const signLogout = createSigner({ ...signing, header: { typ: 'logout+jwt' } })
  let made = 0
  /** @param {object} [more] further claims */
  const claims = (more) => {
    const iat = Math.floor(Date.now() / 1000)
    const n = made++
    return { iss: url, aud: AUDIENCE, sub: `user-${n % USERS}`, jti: `token-${n}`, scope: 'ws:send', iat, exp: iat + 3600, ...more }
  }
  const encode = value => Buffer.from(JSON.stringify(value)).toString('base64url')
  return {
    url,
    jwksUrl: `${url}/jwks`,
    /** Where it is asked whether a token is active: each is. `state.questions` counts. */
    introspectionUrl: url + INTROSPECTION,
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }),
    state,
    token: more => sign(claims(more)),
    /** What it says when this session ends. @param {string} sid */
    logoutToken: sid => signLogout({ ...claims({ sid, events: { [LOGOUT]: {} } }), sub: undefined }),
    /** A token whose signature must be computed to be found wrong: below the modulus, as OpenSSL looks at that first. */
    forged (more, kid = KEY_ID) {
      const signature = randomBytes(256)
      signature[0] = 0
      return `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode(claims(more))}.${signature.toString('base64url')}`
    }
  }
}
