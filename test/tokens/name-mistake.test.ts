import t from 'tap'
import { LEAKED_KEYS } from '../../src/tokens/name-mistake.js'
import { signHmacToken, startIssuer } from '../support/issuer.js'
import { describeWhole, startVerifier } from './fixture.js'

const supabase = await startIssuer(t, { preset: 'supabase', algorithm: 'ES256' })
const SECRET = 'a legacy secret of at least 32 bytes'
const nowS = Math.floor(Date.now() / 1000)
/** As a project's older API keys are: ten years, no user. */
const apiKey = (role: string, iss = 'supabase'): string =>
  signHmacToken({ alg: 'HS256', typ: 'JWT' }, { iss, ref: 'project', role, iat: nowS, exp: nowS + 315_360_000 }, SECRET)

t.test('a project\'s key in the place of a user\'s token is called that, with and without the secret, beside other issuers', async (t) => {
  const other = await startIssuer(t, { name: 'other', algorithm: 'ES256' })
  const configs = [[supabase.config()], [supabase.config({ hmacSecret: SECRET })], [supabase.config({ name: 'supabase' }), other.config()]]
  for (const config of configs) {
    const { verifier } = await startVerifier(t, config)
    const say = (token: string): string => describeWhole(verifier.verifyNow(token))
    t.equal(say(apiKey('anon')), 'invalid_token api_key: anon')
    t.equal(say(apiKey('service_role')), 'invalid_token api_key: service_role')
    t.equal(say(apiKey('anon', supabase.issuer)), 'invalid_token api_key: anon')
    t.equal(say('sb_publishable_ACJWlzQHlZjBrEguHvfOxg_3BJgxAaH'), 'invalid_token api_key: sb_publishable')
    t.equal(say('sb_secret_N7UND0UgjKTVK-Uodkm0Hg_xSvEMPvz'), 'invalid_token api_key: sb_secret')
    t.equal(say('sb_other_key'), 'invalid_token format')
  }
  t.same([...LEAKED_KEYS], ['api_key: service_role', 'api_key: sb_secret'])
})

t.test('a user\'s token is never called a key', async (t) => {
  const { verifier } = await startVerifier(t, [supabase.config()])
  t.equal(describeWhole(verifier.verifyNow(supabase.sign({ role: 'anon', aud: 'x' }))), 'invalid_token audience: aud is "x", wanted is "authenticated"')
  t.equal(describeWhole(verifier.verifyNow(supabase.sign({ role: 'anon' }))), 'accepted alice', 'an anonymous user who signed in')
  t.equal(describeWhole(verifier.verifyNow(supabase.sign({ sub: undefined }))), 'invalid_token claim_missing: sub')
})
