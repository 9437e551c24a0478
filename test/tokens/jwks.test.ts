import t from 'tap'
import { generateKey, startIssuer } from '../support/issuer.js'
import { until } from '../support/until.js'
import { describe, startVerifier } from './fixture.js'

const stranger = generateKey('ES256', 'stranger')
const fast = { algorithm: 'ES256' } as const

t.test('10,000 tokens with unknown kids at once cost one fetch, and none during the cooldown', async t => {
  const issuer = await startIssuer(t, fast)
  const tokens = Array.from({ length: 10_000 }, (_, index) =>
    issuer.sign({}, { key: stranger, header: { kid: `random-${index}` } }))
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.freeze()
  const refuseAll = async (): Promise<string[]> =>
    [...new Set((await Promise.all(tokens.map(each => verifier.verify(each)))).map(describe))]
  t.same(await refuseAll(), ['unavailable unknown_key'])
  t.equal(issuer.requests.jwks, 1, 'the first fetch has just been')
  clock.advance(30_000)
  t.same(await refuseAll(), ['invalid_token unknown_key'], 'asked for them, the issuer did not know them')
  t.equal(issuer.requests.jwks, 2)
  clock.advance(1)
  t.equal(describe(verifier.verifyNow(tokens[0]!)), 'unavailable unknown_key', 'at once, without a fetch')
  issuer.behave('jwks', 'drop')
  clock.advance(29_999)
  t.same(await refuseAll(), ['unavailable unknown_key'])
  t.same(await refuseAll(), ['unavailable unknown_key'])
  t.equal(issuer.requests.jwks, 3, 'with the issuer away')
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

t.test('with no keys ever loaded 10,000 tokens cost one fetch, whose pause doubles from a second to the cooldown', async t => {
  const issuer = await startIssuer(t, fast)
  issuer.behave('jwks', 'status_500')
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.freeze()
  const token = issuer.sign()
  const waits: unknown[] = []
  for (let asked = 1; asked <= 7; asked++) {
    t.equal(issuer.requests.jwks, asked)
    const verdicts = await Promise.all(Array.from({ length: 10_000 }, () => verifier.verify(token)))
    t.same([...new Set(verdicts.map(describe))], ['unavailable keys_unavailable'])
    const [verdict] = verdicts
    const waitMs = verdict?.ok === false ? verdict.retryAfterMs ?? 0 : 0
    waits.push(Math.ceil(waitMs / 1000))
    clock.advance(waitMs - 1)
    t.equal(describe(verifier.verifyNow(token)), 'unavailable keys_unavailable', 'a millisecond is left')
    clock.advance(1)
    await verifier.verify(token)
  }
  t.same(waits, [1, 2, 4, 8, 16, 30, 30])
  issuer.behave('jwks', 'normal')
  clock.advance(30_000)
  t.equal(verifier.verifyNow(token), null)
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
})

t.test('once there were keys, a failure is followed by the whole cooldown', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  issuer.behave('jwks', 'drop')
  clock.advance(30_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  clock.advance(29_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  t.equal(issuer.requests.jwks, 2)
})

t.test('a token that no key could make good is invalid also while the keys are away', async t => {
  const issuer = await startIssuer(t, fast)
  issuer.behave('jwks', 'drop')
  const { verifier } = await startVerifier(t, [issuer.config()])
  const nowS = Math.floor(Date.now() / 1000)
  t.equal(describe(verifier.verifyNow(issuer.sign({ aud: 'elsewhere' }))), 'invalid_token audience')
  t.equal(describe(verifier.verifyNow(issuer.sign({ iss: 'https://elsewhere.example' }))), 'invalid_token unknown_issuer')
  t.equal(describe(verifier.verifyNow(issuer.sign({ iat: nowS - 600, exp: nowS - 60 }))), 'invalid_token expired_unproven')
  t.equal(describe(verifier.verifyNow(issuer.sign({}, { header: { alg: 'none' } }))), 'invalid_token algorithm')
})

t.test('a token that no key could make good causes no fetch', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.advance(30_000)
  t.equal(describe(verifier.verifyNow(issuer.sign({ aud: 'x' }, { key: stranger }))), 'invalid_token audience')
  t.equal(issuer.requests.jwks, 1)
})

t.test('a new key works within one refetch, which all who wait share', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  const old = issuer.sign()
  issuer.addKey({ kid: 'second' })
  const token = issuer.sign({ sub: 'bob' })
  t.equal(describe(verifier.verifyNow(token)), 'unavailable unknown_key', 'not before the cooldown is over')
  clock.advance(30_000)
  t.equal(verifier.verifyNow(token), null)
  t.same((await Promise.all([verifier.verify(token), verifier.verify(token)])).map(describe), ['accepted bob', 'accepted bob'])
  t.equal(issuer.requests.jwks, 2)
  t.equal(describe(verifier.verifyNow(old)), 'accepted alice')
})

t.test('a token of a key that was not fetched yet is told how long the cooldown lasts', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.freeze()
  const startMs = clock.now()
  issuer.addKey({ kid: 'second' })
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  t.match(first, { ok: false, refusal: 'unavailable', detail: 'unknown_key' })
  const waitMs = first?.ok === false ? first.retryAfterMs ?? 0 : 0
  t.ok(waitMs > 25_000 && waitMs <= 30_000, String(waitMs))
  clock.advance(waitMs - 1)
  t.match(verifier.verifyNow(token), { refusal: 'unavailable', retryAfterMs: 1 })
  clock.advance(1)
  t.equal(verifier.verifyNow(token), null, 'after that time it is fetched')
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  t.ok(clock.now() - startMs <= 30_000)
})

t.test('a fetch that began before the token came says nothing against its key', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.freeze()
  let release = (): void => {}
  issuer.behave('jwks', { after: new Promise(resolve => { release = resolve }) })
  clock.advance(30_000)
  const asking = verifier.verify(issuer.sign({}, { key: stranger }))
  await until('the fetch', () => issuer.requests.jwks === 2)
  clock.advance(1)
  issuer.addKey({ kid: 'made meanwhile' })
  const joining = verifier.verify(issuer.sign())
  release()
  t.equal(describe(await asking), 'invalid_token unknown_key', 'the issuer was asked for this one')
  t.equal(describe(await joining), 'unavailable unknown_key')
})

t.test('a kid that is published for another algorithm, or none at all, is nothing to wait for', async t => {
  const issuer = await startIssuer(t, fast)
  issuer.extraJwks.push(generateKey('RS256', 'weak', 1024).jwk)
  issuer.addKey({ kid: 'second' })
  const { verifier } = await startVerifier(t, [issuer.config()])
  for (const header of [{ kid: 'weak' }, { kid: undefined }, { alg: 'EdDSA', kid: 'second' }]) {
    t.equal(describe(verifier.verifyNow(issuer.sign({}, { header }))), 'invalid_token unknown_key')
  }
})

t.test('a removed key stops with the next refresh, remembered tokens included, and keys that stay keep theirs', async t => {
  const issuer = await startIssuer(t, fast)
  issuer.addKey({ kid: 'second' })
  const [first, second] = [issuer.keys[0]!, issuer.keys[1]!]
  const { verifier, clock, refreshed } = await startVerifier(t, [issuer.config()])
  const [ofFirst, ofSecond] = [issuer.sign({}, { key: first }), issuer.sign({ sub: 'bob' }, { key: second })]
  const before = verifier.verifyNow(ofSecond)
  t.equal(describe(verifier.verifyNow(ofFirst)), 'accepted alice')
  issuer.keys.shift()
  clock.advance(30_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  t.equal(refreshed.at(-1)?.removed, 1)
  t.equal(describe(verifier.verifyNow(ofFirst)), 'invalid_token unknown_key', 'taken back: no fetch could make it good')
  t.equal(verifier.verifyNow(ofSecond), before, 'the very same remembered verdict')
})

t.test('a key replaced under its own kid no longer verifies, and the new one does', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  const old = issuer.sign()
  t.equal(describe(verifier.verifyNow(old)), 'accepted alice')
  issuer.keys.length = 0
  issuer.addKey({ kid: 'key-1' })
  clock.advance(30_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  t.equal(describe(verifier.verifyNow(old)), 'invalid_token signature')
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

t.test('keys go on while the issuer is away up to the stale bound, and then nothing of it is accepted', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock, failed } = await startVerifier(t, [issuer.config()], {
    jwks: { maxAgeMs: 600_000, maxStaleMs: 3_600_000 }, settings: { maxLifetimeMs: 10 * 86_400_000 }
  })
  clock.freeze()
  issuer.behave('all', 'drop')
  const nowS = Math.floor(clock.now() / 1000)
  const [remembered, fresh] = [issuer.sign({ exp: nowS + 86_400 }), issuer.sign({ exp: nowS + 86_400, jti: 'fresh' })]
  t.equal(describe(verifier.verifyNow(remembered)), 'accepted alice')
  const ageMs = Math.round((verifier.status()[0]?.ageS ?? 0) * 1000)
  clock.advance(4_200_000 - ageMs - 1)
  t.match(verifier.status(), [{ usable: true, tried: true, ageS: 4199.999 }])
  t.equal(describe(verifier.verifyNow(fresh)), 'accepted alice')
  clock.advance(1)
  t.match(verifier.status(), [{ usable: false, tried: true }])
  t.equal(describe(await verifier.verify(remembered)), 'unavailable keys_unavailable')
  t.equal(describe(verifier.verifyNow(fresh)), 'unavailable keys_unavailable')
  t.same(failed, ['connection_lost'])
  issuer.behave('all', 'normal')
  clock.advance(30_000)
  t.equal(describe(await verifier.verify(remembered)), 'accepted alice')
  t.match(verifier.status(), [{ usable: true, fetches: { ok: 2, failed: 1 } }])
})

t.test('keys are refreshed in the background before they are old, without any token', async t => {
  const issuer = await startIssuer(t, fast)
  const { refreshed, clock } = await startVerifier(t, [issuer.config()], { jwks: { maxAgeMs: 200, cooldownMs: 20 } })
  const startMs = clock.now()
  await until('two background refreshes', () => refreshed.length >= 3)
  t.ok(clock.now() - startMs >= 2 * 160, 'and not sooner than needed')
})

t.test('an issuer that was away at the start is tried again in the background, once per cooldown', async t => {
  const issuer = await startIssuer(t, fast)
  issuer.behave('jwks', 'drop')
  const { verifier, failed, clock } = await startVerifier(t, [issuer.config()], { jwks: { cooldownMs: 50 } })
  const startMs = clock.now()
  await until('three retries', () => failed.length >= 4)
  t.ok(clock.now() - startMs >= 3 * 50)
  issuer.behave('jwks', 'normal')
  await until('recovery', () => verifier.status()[0]?.usable === true)
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
})

t.test('a late reply with old keys does not win over a newer one', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock, failed, refreshed } = await startVerifier(t, [issuer.config()], { jwks: { timeoutMs: 1500 } })
  let release = (): void => {}
  issuer.behave('jwks', { after: new Promise(resolve => { release = resolve }) })
  clock.advance(30_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  t.same(failed, ['timeout'])
  issuer.keys.length = 0
  issuer.addKey({ kid: 'newer' })
  issuer.behave('jwks', 'normal')
  clock.advance(30_000)
  const token = issuer.sign()
  t.equal(describe(await verifier.verify(token)), 'accepted alice')
  release()
  clock.advance(30_000)
  await verifier.verify(issuer.sign({}, { key: stranger }))
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
  t.equal(refreshed.length, 3)
})

t.test('a clock that is set back does not stretch the cooldown', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock } = await startVerifier(t, [issuer.config()])
  clock.advance(-3_600_000)
  await verifier.verify(issuer.sign({ iat: Math.floor(clock.now() / 1000) }, { key: stranger }))
  t.equal(issuer.requests.jwks, 2)
})

t.test('close ends a fetch that hangs, tells nobody, and no fetch follows', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier, clock, failed, refreshed } = await startVerifier(t, [issuer.config()], {
    jwks: { cooldownMs: 10, timeoutMs: 60_000 }
  })
  issuer.behave('jwks', 'hang')
  clock.advance(30_000)
  const waiting = verifier.verify(issuer.sign({}, { key: stranger }))
  await until('the fetch', () => issuer.requests.jwks === 2)
  verifier.close()
  t.equal(describe(await waiting), 'unavailable unknown_key')
  clock.advance(30_000)
  t.equal(describe(await verifier.verify(issuer.sign({}, { key: stranger }))), 'unavailable unknown_key')
  t.same([failed.length, refreshed.length, issuer.requests.jwks], [0, 1, 2])
})
