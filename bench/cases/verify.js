import { fileURLToPath } from 'node:url'
import { runRounds } from '../measure/rounds.js'
import { startScript } from '../servers/child.js'
import { installControls } from '../servers/controls.js'
import { AUDIENCE, startIssuer, USERS } from '../servers/issuer.js'

export const title = 'CPU per token verified, RS256 with 2,048 bits, claims checked, nothing else done'
const WARM_UP = 3000
const OPERATIONS = 2000
/** A look-up costs so little that each token must be looked up often to be measured. */
const TIMES_KNOWN = 50

export async function run (scope, { rounds, operations = OPERATIONS, short, progress }) {
  if (!short) installControls()
  const issuer = await startIssuer(scope)
  const child = await startScript(fileURLToPath(new URL('../servers/verifiers.js', import.meta.url)), {
    ISSUER: issuer.url, JWKS_URL: issuer.jwksUrl, AUDIENCE, PUBLIC_PEM: issuer.publicPem, USUAL: String(!short)
  })
  scope.onEnd(child.stop)
  const sign = count => Array.from({ length: count }, () => issuer.token())
  const known = sign(USERS)
  let fresh = sign(WARM_UP)

  const subject = (name, way, { isKnown = false, ...more } = {}) => {
    const verify = async () => {
      const [tokens, times] = isKnown ? [known, TIMES_KNOWN] : [fresh, 1]
      const { cpuUs } = await child.ask({ way, tokens, times })
      return { value: cpuUs / (tokens.length * times) }
    }
    return { name, measure: verify, ...more }
  }
  const subjects = [
    subject('OpenSSL, the signature alone', 'signature', { control: 'floor' }),
    subject('portcullis, fresh token', 'ours'),
    subject('fast-jwt, fresh token', 'fastJwt', { control: 'fast-jwt' }),
    ...(short ? [] : [subject('jsonwebtoken, fresh token', 'jsonwebtoken', { control: 'usual' })]),
    subject('portcullis, known token', 'ours', { isKnown: true }),
    subject('fast-jwt with its cache, known token', 'fastJwtCached', { isKnown: true })
  ]
  for (const { measure } of subjects) await measure()
  return await runRounds(subjects, { rounds, unit: 'µs', progress, beforeRound: () => { fresh = sign(operations) } })
}
