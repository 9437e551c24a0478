import t from 'tap'
import { startIssuer } from '../support/issuer.js'
import { describeWhole, startVerifier } from './fixture.js'

const issuer = await startIssuer(t, { algorithm: 'ES256' })

t.test('a sign-in that is not as strong as wanted is refused, and the log says both', async (t) => {
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { assurance: ['gold', 'aal2'] } })
  const judge = (acr: unknown): string => describeWhole(verifier.verifyNow(issuer.sign({ acr })))
  t.equal(judge('gold'), 'accepted alice')
  t.equal(judge('aal2'), 'accepted alice')
  const wrong: ReadonlyArray<readonly [unknown, string]> = [['0', '"0"'], [undefined, 'absent'], [['gold'], '["gold"]'], ['Gold', '"Gold"'], [2, '2']]
  t.same(wrong.map(([acr]) => judge(acr)), wrong.map(([, shown]) => `invalid_token acr: acr is ${shown}, wanted is ["gold", "aal2"]`))
})

t.test('a sign-in that is too long ago is refused, also of a token that was accepted before', async (t) => {
  const { verifier, clock } = await startVerifier(t, [issuer.config()], { settings: { maxAuthAgeMs: 60_000 } })
  clock.freeze()
  const nowS = clock.now() / 1000
  const judge = (authTime: unknown): string => describeWhole(verifier.verifyNow(issuer.sign({ auth_time: authTime })))
  t.equal(judge(undefined), 'invalid_token auth_age: auth_time is absent')
  t.equal(judge('1'), 'invalid_token auth_age: auth_time is "1"')
  t.equal(judge(nowS - 70), 'invalid_token auth_age: signed in 70 s ago, at most 60 s')
  const token = issuer.sign({ auth_time: nowS })
  t.equal(describeWhole(verifier.verifyNow(token)), 'accepted alice')
  clock.advance(70_000)
  t.equal(describeWhole(verifier.verifyNow(token)), 'invalid_token auth_age: signed in 70 s ago, at most 60 s')
  t.equal(describeWhole(await verifier.verify(token)), 'invalid_token auth_age: signed in 70 s ago, at most 60 s', 'and stays so once forgotten')
})

t.test('an issuer\'s own word about sign-ins comes before that of all', async (t) => {
  const gold = { settings: { assurance: ['gold'], maxAuthAgeMs: 60_000 } }
  const own = (await startVerifier(t, [issuer.config({ assurance: ['silver'], maxAuthAgeMs: 600_000 })], gold)).verifier
  const nowS = Math.floor(Date.now() / 1000)
  const say = (acr: string, agoS: number): string => describeWhole(own.verifyNow(issuer.sign({ acr, auth_time: nowS - agoS })))
  t.equal(say('silver', 300), 'accepted alice')
  t.equal(say('gold', 300), 'invalid_token acr: acr is "gold", wanted is ["silver"]')
  t.match(say('silver', 900), /^invalid_token auth_age: signed in 90\d s ago, at most 600 s$/)
})
