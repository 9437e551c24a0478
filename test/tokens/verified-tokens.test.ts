import t from 'tap'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { describe, startVerifier } from './fixture.js'

const fast = { algorithm: 'ES256' } as const

t.test('a token that was accepted is known by its whole text, and its verdict is the same object', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  t.equal(describe(first), 'accepted alice')
  t.equal(verifier.verifyNow(token), first)
  t.equal(await verifier.verify(token), first)
  const changed = `${token.slice(0, -1)}${token.endsWith('A') ? 'Q' : 'A'}`
  t.equal(describe(verifier.verifyNow(changed)), 'invalid_token signature')
  t.equal(verifier.verifyNow(token), first)
})

t.test('no more tokens than configured are known, and the least recently used goes first', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 2 } })
  const [a, b, c] = ['a', 'b', 'c'].map(sub => issuer.sign({ sub })) as [string, string, string]
  const [first, second] = [verifier.verifyNow(a), verifier.verifyNow(b)]
  t.equal(verifier.verifyNow(a), first)
  verifier.verifyNow(c)
  t.equal(verifier.verifyNow(a), first)
  t.not(verifier.verifyNow(b), second)
})

t.test('with a size of 0 every token is verified each time', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 0 } })
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  t.equal(describe(first), 'accepted alice')
  t.not(verifier.verifyNow(token), first)
})

t.test('forget drops exactly those that match', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const tokens = Array.from({ length: 300 }, (_, index) => issuer.sign({ sub: `user-${index}` }))
  const before = tokens.map(token => verifier.verifyNow(token))
  verifier.forget(identity => Number(identity.userId.slice('user-'.length)) % 3 !== 0)
  const kept = tokens.map((token, index) => verifier.verifyNow(token) === before[index])
  t.same(kept, tokens.map((_, index) => index % 3 === 0))
})

t.test('refused tokens push no accepted one out', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 1 } })
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  for (let index = 0; index < 50; index++) {
    t.match(describe(verifier.verifyNow(issuer.sign({ aud: 'elsewhere', jti: String(index) }))), /^invalid_token/)
  }
  t.equal(verifier.verifyNow(token), first)
})

t.test('a header that many tokens share is remembered without carrying anything from one token to the next', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.same(await offenders(['alice', 'bob'], sub => describe(verifier.verifyNow(issuer.sign({ sub }))) === `accepted ${sub}`), [])
  t.equal(describe(verifier.verifyNow(issuer.sign({ aud: 'elsewhere' }))), 'invalid_token audience')
  const [header = '', payload = ''] = issuer.sign({ sub: 'admin' }).split('.')
  t.equal(describe(verifier.verifyNow(`${header}.${payload}.${issuer.sign().split('.')[2] ?? ''}`)), 'invalid_token signature')
})

t.test('more different headers than are remembered verify all the same', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const verdicts = Array.from({ length: 600 }, (_, index) => describe(verifier.verifyNow(issuer.sign({}, { header: { index } }))))
  t.same([...new Set(verdicts)], ['accepted alice'])
})
