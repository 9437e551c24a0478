import t from 'tap'
import { generateKey, signHmacToken, startIssuer, type TestIssuer } from '../support/issuer.js'
import { describe, startVerifier } from './fixture.js'

const fast = { algorithm: 'ES256' } as const
const nowS = Math.floor(Date.now() / 1000)

/** What Keycloak publishes beside its signing key. */
const encryptionKey = { ...generateKey('RS256', 'enc-1').jwk, use: 'enc', alg: 'RSA-OAEP' }

async function startKeycloak (lifetime: { teardown (fn: () => unknown): unknown }, name = 'main'): Promise<TestIssuer> {
  const keycloak = await startIssuer(lifetime, { preset: 'keycloak', realm: 'demo', audience: 'gateway', name })
  keycloak.extraJwks.push(encryptionKey)
  return keycloak
}

/** The claims of a token as Keycloak 26 makes them for a client without an audience mapper. */
function keycloakClaims (typ: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    jti: '0f9b2c54-6a3e-4f63-9d8c-1f0d1fd3a001',
    aud: 'account',
    sub: '7d8f7d6e-29f0-4c7c-9d52-5f7a9d9a2f11',
    typ,
    azp: 'gateway',
    sid: 'a1b2c3d4-0000-4000-8000-000000000001',
    acr: '1',
    'allowed-origins': ['https://app.example'],
    realm_access: { roles: ['offline_access'] },
    scope: 'openid profile email ws:send',
    preferred_username: 'alice',
    ...more
  }
}

const keycloak = await startKeycloak(t)

t.test('a Keycloak access token is accepted', async t => {
  t.match(keycloak.issuer, /\/realms\/demo$/)
  t.match(keycloak.jwksUri, /\/realms\/demo\/protocol\/openid-connect\/certs$/)
  const { verifier, refreshed } = await startVerifier(t, [keycloak.config()])
  t.same(refreshed[0]?.skipped, { not_for_signatures: 1 }, 'beside a key for encryption')
  const accept = (claims: Record<string, unknown>): string => describe(verifier.verifyNow(keycloak.sign(keycloakClaims('Bearer', claims))))
  const accepted = 'accepted 7d8f7d6e-29f0-4c7c-9d52-5f7a9d9a2f11'
  t.equal(accept({}), accepted, 'by azp')
  t.equal(accept({ aud: undefined }), accepted, 'by azp without aud')
  t.equal(accept({ aud: ['account', 'gateway'], azp: 'web' }), accepted, 'by aud with another azp')
  t.equal(accept({ azp: 'web' }), 'invalid_token audience')
  t.equal(accept({ azp: ['gateway'] }), 'invalid_token audience')
  t.equal(accept({ aud: { gateway: 1 } }), 'invalid_token audience', 'a malformed aud is not healed by azp')
})

for (const typ of ['ID', 'Refresh', 'Offline', 'Logout', 'id', 'REFRESH']) {
  t.test(`a Keycloak token of type ${typ} is refused though its client is ours`, async t => {
    const { verifier } = await startVerifier(t, [keycloak.config()])
    const token = keycloak.sign(keycloakClaims(typ, { aud: 'gateway' }))
    t.equal(describe(verifier.verifyNow(token)), 'invalid_token token_type')
  })
}

t.test('a Keycloak refresh token signed with HS512 is refused', async t => {
  const { verifier } = await startVerifier(t, [keycloak.config()])
  const claims = keycloakClaims('Refresh', { iss: keycloak.issuer, exp: nowS + 300 })
  t.equal(describe(verifier.verifyNow(signHmacToken({ alg: 'HS512', kid: 'hs' }, claims, 'realm'))), 'invalid_token algorithm')
})

t.test('a Supabase access token is accepted', async t => {
  const supabase = await startIssuer(t, { preset: 'supabase', algorithm: 'ES256' })
  t.match(supabase.issuer, /\/auth\/v1$/)
  t.match(supabase.jwksUri, /\/auth\/v1\/\.well-known\/jwks\.json$/)
  const { verifier } = await startVerifier(t, [supabase.config()])
  const token = supabase.sign({ role: 'authenticated', aal: 'aal1', session_id: 's', is_anonymous: false })
  t.equal(describe(verifier.verifyNow(token)), 'accepted alice')
  t.equal(describe(verifier.verifyNow(supabase.sign({ aud: 'anon' }))), 'invalid_token audience')
})

t.test('HS256 is refused from Supabase without the opt-in', async t => {
  const supabase = await startIssuer(t, { preset: 'supabase' })
  const { verifier } = await startVerifier(t, [supabase.config()])
  const claims = { iss: supabase.issuer, aud: 'authenticated', sub: 'alice', exp: nowS + 300 }
  t.equal(describe(verifier.verifyNow(signHmacToken({ alg: 'HS256' }, claims, 'secret'))), 'invalid_token algorithm')
})

t.test('with the opt-in HS256 verifies with the secret, and with nothing that anybody can read', async t => {
  const supabase = await startIssuer(t, { preset: 'supabase' })
  const secret = 'a legacy secret of at least 32 bytes'
  const { verifier } = await startVerifier(t, [supabase.config({ hmacSecret: secret })])
  const claims = { iss: supabase.issuer, aud: 'authenticated', sub: 'alice', exp: nowS + 300 }
  const key = supabase.newestKey()
  const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const tryHmac = (with_: string | Buffer, header: Record<string, unknown> = {}): string =>
    describe(verifier.verifyNow(signHmacToken({ alg: 'HS256', ...header }, claims, with_)))
  t.equal(tryHmac(secret), 'accepted alice')
  t.equal(tryHmac(secret, { kid: 'legacy' }), 'accepted alice')
  t.equal(tryHmac(secret, { alg: 'HS512' }), 'invalid_token algorithm')
  for (const known of [pem, pem.trim(), JSON.stringify(key.jwk), key.publicKey.export({ type: 'spki', format: 'der' }), '']) {
    t.equal(tryHmac(known, { kid: key.kid }), 'invalid_token signature')
  }
  t.equal(describe(verifier.verifyNow(supabase.sign())), 'accepted alice', 'its published keys work beside')
})

t.test('a legacy project that publishes no keys is usable, before the first fetch and with the server away', async t => {
  const supabase = await startIssuer(t, { preset: 'supabase' })
  supabase.keys.length = 0
  const secret = 'a legacy secret of at least 32 bytes'
  const { verifier, failed } = await startVerifier(t, [supabase.config({ hmacSecret: secret })])
  t.same(failed, [])
  t.match(verifier.status(), [{ usable: true }])
  supabase.behave('all', 'drop')
  const away = await startVerifier(t, [supabase.config({ hmacSecret: secret })])
  const claims = { iss: supabase.issuer, aud: 'authenticated', sub: 'alice', exp: nowS + 300 }
  const token = signHmacToken({ alg: 'HS256' }, claims, secret)
  t.equal(describe(away.verifier.verifyNow(token)), 'accepted alice')
  t.equal(away.verifier.verifyNow(token), away.verifier.verifyNow(token), 'and is remembered')
  t.match(away.verifier.status(), [{ usable: true, ageS: null }])
})

t.test('the same kid at two issuers verifies only its own', async t => {
  const [one, two] = [await startIssuer(t, { name: 'one' }), await startKeycloak(t, 'two')]
  t.equal(one.newestKey().kid, two.newestKey().kid)
  const { verifier } = await startVerifier(t, [one.config(), two.config()])
  t.equal(describe(verifier.verifyNow(one.sign())), 'accepted one:alice')
  t.equal(describe(verifier.verifyNow(two.sign())), 'accepted two:alice', 'another user of the same name')
  const stolen = { iss: two.issuer, aud: two.audience }
  t.equal(describe(verifier.verifyNow(one.sign(stolen))), 'invalid_token signature')
  t.equal(describe(verifier.verifyNow(two.sign({ iss: one.issuer, aud: one.audience }))), 'invalid_token signature')
  t.equal(describe(verifier.verifyNow(one.sign({ aud: two.audience }))), 'invalid_token audience', 'audiences are not shared')
})

t.test('one issuer cannot speak for another by the name in a subject', async t => {
  const [one, two] = [await startIssuer(t, { name: 'one', algorithm: 'ES256' }), await startIssuer(t, { name: 'two', algorithm: 'ES256' })]
  const { verifier } = await startVerifier(t, [one.config(), two.config()])
  t.equal(describe(verifier.verifyNow(one.sign({ sub: 'two:alice' }))), 'accepted one:two:alice')
  t.equal(describe(verifier.verifyNow(one.sign({ sub: 'anonymous' }))), 'invalid_token subject')
})

t.test('an issuer that is not in the list is refused without any request', async t => {
  const [one, two, foreign] = [await startIssuer(t, fast), await startIssuer(t, fast), await startIssuer(t, fast)]
  const { verifier, clock } = await startVerifier(t, [one.config(), two.config({ name: 'two' })])
  clock.advance(30_000)
  const tokens = [foreign.sign({ iat: undefined }), one.sign({ iss: [one.issuer] }), one.sign({ iss: '__proto__' }),
    one.sign({ iss: undefined }), one.sign({ iss: `${one.issuer}/` })]
  t.same(tokens.map(token => describe(verifier.verifyNow(token))), tokens.map(() => 'invalid_token unknown_issuer'))
  t.match([one.requests, two.requests, foreign.requests], [{ jwks: 1 }, { jwks: 1 }, { jwks: 0, discovery: 0 }])
})

t.test('one issuer away leaves the others as they are', async t => {
  const [up, away] = [await startIssuer(t, { name: 'up', algorithm: 'ES256' }), await startIssuer(t, { name: 'away', algorithm: 'ES256' })]
  away.behave('all', 'drop')
  const { verifier, failed } = await startVerifier(t, [up.config(), away.config()])
  t.equal(describe(verifier.verifyNow(up.sign())), 'accepted up:alice')
  t.equal(describe(verifier.verifyNow(away.sign())), 'unavailable keys_unavailable')
  t.same(failed, ['connection_lost'])
  t.match(verifier.status(), [{ name: 'up', usable: true }, { name: 'away', tried: true, usable: false }])
})

t.test('an algorithm that one issuer may use is not thereby allowed to another', async t => {
  const [one, two] = [await startIssuer(t, { algorithm: 'ES256' }), await startIssuer(t, { algorithm: 'ES256', name: 'two' })]
  const { verifier } = await startVerifier(t, [one.config(), two.config({ algorithms: ['RS256'] })])
  t.equal(describe(verifier.verifyNow(one.sign())), 'accepted main:alice')
  t.equal(describe(verifier.verifyNow(two.sign())), 'invalid_token algorithm')
})
