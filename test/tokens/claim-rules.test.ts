import t from 'tap'
import { DEFAULT_READING } from '../../src/tokens/claim-reading.js'
import { longestLifetimeMs } from '../../src/tokens/claim-rules.js'
import type { Identity } from '../../src/tokens/identity.js'
import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import { startIssuer } from '../support/issuer.js'
import { describe, describeWhole, startVerifier, type VerifierOverrides } from './fixture.js'

const issuer = await startIssuer(t, { algorithm: 'ES256' })
const nowS = Math.floor(Date.now() / 1000)

type Judge = (claims: Record<string, unknown>, header?: Record<string, unknown>) => { readonly said: string, readonly who: Identity | null }

async function judgeWith (config: Partial<IssuerConfig>, settings: VerifierOverrides['settings'] = {}): Promise<Judge> {
  const { verifier } = await startVerifier(t, [issuer.config(config)], { settings })
  return (claims, header = {}) => {
    const verdict = verifier.verifyNow(issuer.sign(claims, { header }))
    return { said: describeWhole(verdict), who: verdict?.ok === true ? verdict.identity : null }
  }
}

t.test('scopes are text or a list, of the first claim that is there', async (t) => {
  const judge = await judgeWith({})
  const scopesOf = (claims: Record<string, unknown>): string[] => [...judge(claims).who?.scopes ?? []]
  t.same(scopesOf({ scope: 'ws:send openid', scp: ['other'] }), ['ws:send', 'openid'])
  t.same(scopesOf({ scp: ['ws:send', 'openid'] }), ['ws:send', 'openid'])
  t.same(scopesOf({ scp: 'ws:send' }), ['ws:send'])
  t.same(scopesOf({ scope: '', scp: ['ws:send'] }), [], 'an issuer that grants nothing')
  t.same(scopesOf({ scp: ['ws:send', 1, null, { 'ws:admin': true }] }), ['ws:send'])
  const named = await judgeWith({ reading: { scope: ['permissions'] } })
  t.same([...named({ permissions: ['ws:send'], scope: 'other' }).who?.scopes ?? []], ['ws:send'])
})

t.test('a session is named by the first claim that is there', async (t) => {
  const judge = await judgeWith({})
  t.same([{ sid: 'a', session_id: 'b' }, { session_id: 'b' }, {}, { sid: 7, session_id: 'b' }].map(claims => judge(claims).who?.sessionId), ['a', 'b', null, null])
})

t.test('another claim may name the user; tokens are revoked by sub all the same', async (t) => {
  const judge = await judgeWith({ reading: { user: 'upn' } })
  t.match(judge({ upn: 'alice@example.com', sub: '4711' }).who, { userId: 'alice@example.com', subject: '4711' })
  t.match(judge({ upn: 'alice@example.com', sub: undefined }).who, { userId: 'alice@example.com', subject: '' })
  t.equal(judge({}).said, 'invalid_token claim_missing: upn')
  t.equal(judge({ upn: 'anonymous' }).said, 'invalid_token subject: upn')
  t.equal(judge({ upn: 'alice', sub: 'a\nb' }).said, 'invalid_token subject: sub')
  t.equal(judge({ upn: ['alice'] }).said, 'invalid_token subject: upn')
})

t.test('what stands for the audience is asked for where a vendor has it', async (t) => {
  const judge = await judgeWith({ audience: ['client-1'], reading: { audience: 'client_id' } })
  t.equal(judge({ aud: undefined, client_id: 'client-1' }).said, 'accepted alice')
  t.equal(judge({ aud: 'client-1' }).said, 'invalid_token audience: client_id is absent, wanted is "client-1"')
})

t.test('by RFC 9068 strictly its header type and its claims are wanted', async (t) => {
  const judge = await judgeWith({ reading: { type: 'at+jwt' } })
  const whole = { client_id: 'web', jti: 'j1' }
  t.equal(judge(whole, { typ: 'at+jwt' }).said, 'accepted alice')
  t.equal(judge(whole, { typ: 'application/AT+JWT' }).said, 'accepted alice')
  t.same(['JWT', undefined, 'application/jwt', ['at+jwt']].filter(typ => judge(whole, { typ }).said !== 'invalid_token header_type'), [])
  t.equal(judge({ jti: 'j1' }, { typ: 'at+jwt' }).said, 'invalid_token claim_missing: client_id')
  t.equal(judge({ client_id: 'web' }, { typ: 'at+jwt' }).said, 'invalid_token claim_missing: jti')
})

t.test('what all issuers are told holds where one is not told otherwise, and never in the place of a preset\'s audience', async (t) => {
  const reading = { ...DEFAULT_READING, scope: ['permissions'], audience: 'client_id', user: 'uid' }
  const general = await judgeWith({}, { reading })
  t.match(general({ client_id: issuer.audience, uid: 'u1', permissions: ['ws:send'] }).who, { userId: 'u1', scopes: new Set(['ws:send']) })
  const own = await judgeWith({ reading: { audience: 'aud', user: 'sub' } }, { reading })
  t.match(own({ permissions: ['ws:send'] }).who, { userId: 'alice', scopes: new Set(['ws:send']) })
  const preset = await judgeWith({ preset: 'supabase' }, { reading })
  t.equal(preset({ uid: 'u1' }).said, 'accepted u1')
})

t.test('an issuer may have a longest life of its own, and revocations are kept for the longest of all', async (t) => {
  const judge = await judgeWith({ maxLifetimeMs: 604_800_000 })
  t.equal(judge({ iat: nowS, exp: nowS + 604_800 }).said, 'accepted alice')
  t.equal(judge({ iat: nowS, exp: nowS + 604_801 }).said, 'invalid_token lifetime: 604801 s, at most 604800 s')
  const settings = { issuers: [issuer.config(), issuer.config({ maxLifetimeMs: 9000 })], maxLifetimeMs: 1000 }
  t.equal(longestLifetimeMs(settings), 9000)
  t.equal(longestLifetimeMs({ ...settings, maxLifetimeMs: 10_000 }), 10_000)
})

t.test('EdDSA and Ed25519 are two names of one algorithm with its key', async (t) => {
  const ed = await startIssuer(t, { algorithm: 'EdDSA' })
  const key = ed.newestKey()
  const say = async (algorithms: readonly string[], alg: string, keyAlg: string): Promise<string> => {
    ed.extraJwks.splice(0, 1, { ...key.jwk, kid: 'named', alg: keyAlg })
    const { verifier } = await startVerifier(t, [ed.config({ algorithms })])
    return describe(verifier.verifyNow(ed.sign({}, { header: { kid: 'named', alg } })))
  }
  for (const keyAlg of ['EdDSA', 'Ed25519']) {
    t.equal(await say(['EdDSA'], 'EdDSA', keyAlg), 'accepted alice')
    t.equal(await say(['EdDSA'], 'Ed25519', keyAlg), 'accepted alice')
    t.equal(await say(['Ed25519'], 'Ed25519', keyAlg), 'accepted alice')
    t.equal(await say(['Ed25519'], 'EdDSA', keyAlg), 'invalid_token algorithm', 'who names the newer one alone means it')
  }
  t.equal(await say(['EdDSA'], 'Ed448', 'Ed25519'), 'invalid_token algorithm')
})
