import { DIRECT } from '../../src/tokens/issuer-route.js'
import t from 'tap'
import { createDevIssuer } from '../../src/dev/dev-issuer.js'
import { createTokenVerifier } from '../../src/tokens/verify.js'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

t.test('its tokens pass the gateway\'s own verifier by the keys it publishes, and nobody else\'s do', async (t) => {
  const server = createServer((_req, res) => { res.end(dev.jwks()) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => { await new Promise((resolve) => { server.close(resolve) }) })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const dev = createDevIssuer(url, 'portcullis-dev')
  const tokens = createTokenVerifier({
    issuers: [{ name: 'oidc', preset: 'oidc', issuer: url, audience: ['portcullis-dev'], jwksUri: `${url}/jwks`, algorithms: ['RS256'], hmacSecret: null, introspection: null }],
    clockToleranceMs: 0,
    maxLifetimeMs: 86_400_000,
    cacheSize: 10,
    route: DIRECT,
    jwks: { maxAgeMs: 60_000, cooldownMs: 60_000, maxStaleMs: 60_000, timeoutMs: 5000 },
    introspection: { countsMs: 1000, perS: 1 }
  }, { onRefreshed: () => {}, onFailed: () => {} })
  t.teardown(() => { tokens.close() })
  const claims = { sub: 'alice', agents: ['a1'], tasks: '*', scope: 'ws:send', ttlS: 60 } as const
  const verdict = await tokens.verify(dev.sign(claims))
  t.match(verdict, { ok: true, identity: { userId: 'alice', claims: { agents: ['a1'], tasks: '*' } } })
  t.ok(verdict.ok && verdict.identity.scopes.has('ws:send'))
  t.match(await tokens.verify(dev.sign({ ...claims, ttlS: -60 })), { ok: false, refusal: 'expired_token' })
  t.match(await tokens.verify(createDevIssuer(url, 'portcullis-dev').sign(claims)), { ok: false, refusal: 'unavailable', detail: 'unknown_key' })
})

t.test('its key set holds one public signing key, and no private part', async (t) => {
  const { keys } = JSON.parse(createDevIssuer('http://127.0.0.1', 'x').jwks()) as { keys: Array<Record<string, unknown>> }
  t.match(keys, [{ kty: 'RSA', use: 'sig', alg: 'RS256', kid: String }])
  t.same(Object.keys(keys[0] ?? {}).toSorted(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
})
