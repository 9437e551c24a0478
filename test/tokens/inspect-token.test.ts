import t from 'tap'
import { startIssuer } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

const fast = { algorithm: 'ES256' } as const

t.test('what is said of a token is what the verifier then says, and leaves its keys and its memory as they were', async (t) => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const nowS = Math.floor(Date.now() / 1000)
  const good = issuer.sign()
  const tokens = [
    good, 'opaque', issuer.sign({ aud: 'x' }), issuer.sign({ exp: nowS - 100, iat: nowS - 200 }), issuer.sign({ nbf: nowS + 900 }), issuer.sign({ sub: '' }),
    issuer.sign({ cnf: { jkt: 'k'.repeat(43) } }), `${good.slice(0, -4)}AAAA`, 'x'.repeat(12_001), issuer.sign({}, { header: { typ: 'logout+jwt' } })
  ]
  const remembered = (): number | undefined => verifier.issuerKeys[0]?.source.current()?.byHeader.size
  const said: string[] = []
  for (const token of tokens) {
    const inspection = await verifier.inspect?.(token)
    said.push(describe(inspection?.verdict ?? null))
    t.equal(inspection?.introspected, null)
  }
  t.equal(remembered(), 0, 'no header is remembered')
  const first = verifier.verifyNow(good)
  t.equal(remembered(), 1)
  t.same(said, tokens.map(token => describe(verifier.verifyNow(token))))
  t.equal(verifier.verifyNow(good), first, 'what was remembered before is still')
})

t.test('a key that is not at hand is not fetched, and its absence is told with the time of the keys', async (t) => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const token = issuer.sign({}, { key: issuer.addKey({ alg: 'ES256' }) })
  const fetched = issuer.requests.jwks
  const inspection = await verifier.inspect?.(token)
  t.match(inspection, { verdict: { refusal: 'unavailable', detail: 'unknown_key' }, issuer: issuer.name })
  t.type(inspection?.keysAgeS, 'number')
  t.equal(issuer.requests.jwks, fetched)
})

t.test('an issuer that is asked about its tokens is asked, and the answer is not remembered', async (t) => {
  const issuer = await startIssuer(t, fast)
  const introspection = { endpoint: issuer.introspectionUri, clientId: 'gateway', clientSecret: 'secret' }
  const { verifier } = await startVerifier(t, [issuer.config({ introspection })])
  const [good, bad] = [issuer.sign(), issuer.sign({ sub: 'bob' })]
  issuer.inactive.add(bad)
  t.match(await verifier.inspect?.(good), { verdict: { ok: true }, introspected: { active: true, ageMs: 0 } })
  t.match(await verifier.inspect?.(bad), { verdict: { refusal: 'revoked', detail: 'inactive' }, introspected: { active: false } })
  t.equal(verifier.standing?.askedAtMs(good), null)
  await verifier.verify(good)
  const asked = issuer.requests.introspection
  const again = await verifier.inspect?.(good)
  t.equal(again?.introspected?.active, true)
  t.equal(issuer.requests.introspection, asked, 'an answer that still counts is taken')
})
