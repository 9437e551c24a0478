import t from 'tap'
import { startIssuer } from '../support/issuer.js'
import { describeWhole, startVerifier } from './fixture.js'

const keycloak = await startIssuer(t, { preset: 'keycloak', audience: 'gateway', algorithm: 'ES256' })
const { verifier } = await startVerifier(t, [keycloak.config()])
const judge = (claims: Record<string, unknown>): string => describeWhole(verifier.verifyNow(keycloak.sign({ azp: 'gateway', ...claims })))

t.test('who asked for a token stands for its audience where Keycloak names none but its own account', async (t) => {
  const own = [undefined, 'account', ['account'], ['account', 'account'], [], 'gateway', ['billing', 'gateway']]
  t.same(own.filter(aud => judge({ aud }) !== 'accepted alice'), [])
})

t.test('a token for another service is not ours, whoever asked for it', async (t) => {
  const REFUSED: ReadonlyArray<readonly [Record<string, unknown>, string]> = [
    [{ aud: 'billing' }, 'aud is "billing", wanted is "gateway"'],
    [{ aud: ['billing'] }, 'aud is ["billing"], wanted is "gateway"'],
    [{ aud: ['account', 'billing'] }, 'aud is ["account", "billing"], wanted is "gateway"'],
    [{ aud: 'account', azp: 'web' }, 'aud is "account", wanted is "gateway"'],
    [{ aud: null }, 'aud is null, wanted is "gateway"'],
    [{ aud: { account: true } }, 'aud is an object, wanted is "gateway"']
  ]
  t.same(REFUSED.map(([claims]) => judge(claims)), REFUSED.map(([, shown]) => `invalid_token audience: ${shown}`))
})

t.test('of any other issuer only the claim counts that holds the audience', async (t) => {
  const issuer = await startIssuer(t, { audience: 'gateway', algorithm: 'ES256' })
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.equal(describeWhole(verifier.verifyNow(issuer.sign({ aud: undefined, azp: 'gateway' }))), 'invalid_token audience: aud is absent, wanted is "gateway"')
  t.equal(describeWhole(verifier.verifyNow(issuer.sign({ aud: 'account', azp: 'gateway' }))), 'invalid_token audience: aud is "account", wanted is "gateway"')
})

t.test('what the log shows of an audience is bounded and escaped, and of an unproven token nothing', async (t) => {
  const hostile = judge({ aud: [`line\nfeed${'x'.repeat(9000)}`, '\u0000', 'b', 'c'] })
  t.ok(hostile.length < 250 && !/[\n\0]/.test(hostile), hostile)
  const forged = keycloak.sign({ aud: 'billing' }, { header: { kid: 'unknown' } })
  t.equal(describeWhole(verifier.verifyNow(forged)), 'invalid_token audience')
})
