// Verifies tokens and does nothing else, each way with what it keeps between tokens; asked over IPC, one batch at a time.
import { createPublicKey, verify as verifySignature } from 'node:crypto'
import { createVerifier } from 'fast-jwt'
import { loadConfig } from '../../dist/config/load-config.js'
import { createTokenVerifier } from '../../dist/tokens/verify.js'

const { ISSUER, JWKS_URL, AUDIENCE, PUBLIC_PEM, USUAL } = process.env
const { tokens: settings } = loadConfig({ JWT_ISSUER: ISSUER, JWT_AUDIENCE: AUDIENCE, JWT_JWKS_URI: JWKS_URL })
const ours = createTokenVerifier(settings, { onRefreshed: () => {}, onFailed: () => {} })
await ours.start()
const fastJwt = cache => createVerifier({ key: PUBLIC_PEM, cache, algorithms: ['RS256'], allowedIss: ISSUER, allowedAud: AUDIENCE })
const key = createPublicKey(PUBLIC_PEM)

function verifyOurs (token) {
  if (ours.verifyNow(token)?.ok !== true) throw new Error('our verifier refused a good token')
}

function verifyBySignature (token) {
  const end = token.lastIndexOf('.')
  const good = verifySignature('RSA-SHA256', Buffer.from(token.slice(0, end)), key, Buffer.from(token.slice(end + 1), 'base64url'))
  if (!good) throw new Error('the signature of a good token is wrong')
}

const ways = {
  ours: verifyOurs,
  signature: verifyBySignature,
  fastJwt: fastJwt(false),
  fastJwtCached: fastJwt(20_000)
}
if (USUAL === 'true') {
  const { default: jwt } = await import('jsonwebtoken')
  ways.jsonwebtoken = token => jwt.verify(token, PUBLIC_PEM, { algorithms: ['RS256'], issuer: ISSUER, audience: AUDIENCE })
}

process.on('message', ({ way, tokens, times }) => {
  try {
    const verify = ways[way]
    const cpu = process.cpuUsage()
    for (let time = 0; time < times; time++) for (const token of tokens) verify(token)
    const { user, system } = process.cpuUsage(cpu)
    process.send({ cpuUs: user + system })
  } catch (error) {
    process.send({ failed: error.message })
  }
})
process.send({ ready: true })
