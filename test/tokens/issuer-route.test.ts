import { readFileSync } from 'node:fs'
import { request as forward } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { DIRECT, type IssuerProxies, type IssuerRoute } from '../../src/tokens/issuer-route.js'
import type { IssuerConfig } from '../../src/tokens/issuer-config.js'
import { makeCertificate } from '../support/certificate.js'
import { startConnectProxy } from '../support/connect-proxy.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { describe, startVerifier, type StartedVerifier } from './fixture.js'

/** A name that no name server knows: who reaches it was led there by the proxy. */
const NAME = 'issuer.invalid'
const HTTPS = 'https://issuer.invalid'

interface HttpsIssuer { readonly issuer: TestIssuer, readonly authority: string, readonly origin: string, readonly port: number }

/** The test's issuer behind TLS, as `https://issuer.invalid:<port>`, with a certificate of its own authority. */
async function startHttps (t: Test, name = `DNS:${NAME}`): Promise<HttpsIssuer> {
  const [issuer, { certFile, keyFile }] = await Promise.all([startIssuer(t, { algorithm: 'ES256' }), makeCertificate(t, name)])
  const authority = readFileSync(certFile, 'utf8')
  const server = createServer({ cert: authority, key: readFileSync(keyFile) }, (request, response) => {
    const { method, url, headers } = request
    const passed = forward(`${issuer.url}${url ?? ''}`, { method, headers }, (answer) => { answer.pipe(response.writeHead(answer.statusCode ?? 500, answer.headers)) })
    passed.on('error', () => { response.destroy() })
    request.pipe(passed)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const { port } = server.address() as AddressInfo
  return { issuer, authority, origin: `${HTTPS}:${port}`, port }
}

const by = (url: string | null, more: Partial<IssuerProxies> = {}): IssuerProxies => ({ http: null, https: url, except: '', ...more })

async function tryRoute (t: Test, { issuer, origin }: Pick<HttpsIssuer, 'issuer' | 'origin'>, route: IssuerRoute, more: Partial<IssuerConfig> = {}): Promise<StartedVerifier> {
  const config = issuer.config({ jwksUri: `${origin}/jwks.json`, ...more })
  return await startVerifier(t, [config], { settings: { route } })
}

const said = ({ failures }: StartedVerifier): unknown => failures.map(({ fault, detail }) => `${fault} ${detail}`)

t.test('keys and introspection go by the proxy, which looks the name up, and the authority counts within its tunnel', async (t) => {
  const [https, proxy] = await Promise.all([startHttps(t), startConnectProxy(t)])
  const introspection = { endpoint: `${https.origin}/introspect`, clientId: 'gateway', clientSecret: 'secret' }
  const { verifier } = await tryRoute(t, https, { authorities: https.authority, proxies: by(proxy.url) }, { introspection })
  t.equal(describe(await verifier.verify(https.issuer.sign())), 'accepted alice')
  t.match(https.issuer.introspected, [{ body: /^token=.*&token_type_hint=access_token$/, authorization: /^Basic / }])
  t.same([...new Set(proxy.asked)], [`${NAME}:${https.port}`])
  t.same([...new Set(proxy.credentials)], [null])
})

t.test('discovery goes by the proxy', async (t) => {
  const [https, proxy] = await Promise.all([startHttps(t), startConnectProxy(t)])
  https.issuer.behave('discovery', { body: { issuer: https.origin, jwks_uri: `${https.origin}/jwks.json` } })
  const { verifier } = await tryRoute(t, https, { authorities: https.authority, proxies: by(proxy.url) }, {
    issuer: https.origin, jwksUri: null
  })
  t.equal(describe(verifier.verifyNow(https.issuer.sign({ iss: https.origin }))), 'accepted alice')
  t.equal(proxy.asked.length, 2)
})

t.test('the name and password of a proxy are sent to it, and its refusal is told with its status', async (t) => {
  const [https, proxy] = await Promise.all([startHttps(t), startConnectProxy(t)])
  proxy.status = 407
  const route = { authorities: https.authority, proxies: by(proxy.url.replace('//', '//us%40er:pass%3Aword@')) }
  t.same(said(await tryRoute(t, https, route)), ['proxy_refused 407'])
  t.same(proxy.credentials[0], `Basic ${Buffer.from('us@er:pass:word').toString('base64')}`)
})

t.test('what bounds a fetch holds by a proxy as well', async (t) => {
  const [https, proxy] = await Promise.all([startHttps(t), startConnectProxy(t)])
  const route = { authorities: https.authority, proxies: by(proxy.url) }
  const lies = [['huge', 'too_large null'], ['redirect', 'redirect 302'], ['status_500', 'status 500'], ['html', 'not_json null']] as const
  for (const [behaviour, fault] of lies) {
    https.issuer.behave('jwks', behaviour)
    t.same(said(await tryRoute(t, https, route)), [fault])
  }
  proxy.hangs = true
  const config = https.issuer.config({ jwksUri: `${https.origin}/jwks.json` })
  t.same(said(await startVerifier(t, [config], { settings: { route }, jwks: { timeoutMs: 500 } })), ['timeout null'])
})

t.test('hosts of NO_PROXY are asked directly: names, all below them, with a port, and everything', async (t) => {
  const [issuer, proxy] = await Promise.all([startIssuer(t, { algorithm: 'ES256' }), startConnectProxy(t)])
  const { port } = new URL(issuer.url)
  const proxies = { http: proxy.url, https: proxy.url }
  for (const except of ['127.0.0.1', `x.example, 127.0.0.1:${port}`, '*', '0.0.1']) {
    const { verifier } = await tryRoute(t, { issuer, origin: issuer.url }, { authorities: null, proxies: { ...proxies, except } })
    t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice', except)
  }
  t.same(proxy.asked, [])
  const { verifier } = await tryRoute(t, { issuer, origin: issuer.url }, { authorities: null, proxies: { ...proxies, except: '127.0.0.1:1,27.0.0.1' } })
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice', 'by the proxy')
  t.same(proxy.asked, [`127.0.0.1:${port}`])
})

t.test('a proxy for one scheme alone leaves the other as it is', async (t) => {
  const [issuer, proxy] = await Promise.all([startIssuer(t, { algorithm: 'ES256' }), startConnectProxy(t)])
  const { verifier } = await tryRoute(t, { issuer, origin: issuer.url }, { authorities: null, proxies: by(proxy.url) })
  t.equal(describe(verifier.verifyNow(issuer.sign())), 'accepted alice')
  t.same(proxy.asked, [])
})

t.test('a proxy that is not there is told as refused', async (t) => {
  const https = await startHttps(t)
  t.same(said(await tryRoute(t, https, { authorities: null, proxies: by('http://127.0.0.1:1') })), ['connection_refused ECONNREFUSED'])
})

t.test('an authority of one\'s own is believed without a proxy too; no other name, and nobody else\'s certificate', async (t) => {
  const [good, other] = await Promise.all([startHttps(t, 'IP:127.0.0.1'), startHttps(t, 'DNS:other.invalid')])
  const [here, there] = [good, other].map(({ issuer, port }) => ({ issuer, origin: `https://127.0.0.1:${port}` }))
  if (here === undefined || there === undefined) throw new Error('two issuers were started')
  const { verifier } = await tryRoute(t, here, { authorities: good.authority, proxies: null })
  t.equal(describe(verifier.verifyNow(good.issuer.sign())), 'accepted alice')
  t.same(said(await tryRoute(t, here, DIRECT)), ['tls DEPTH_ZERO_SELF_SIGNED_CERT'])
  t.same(said(await tryRoute(t, here, { authorities: other.authority, proxies: null })), ['tls DEPTH_ZERO_SELF_SIGNED_CERT'])
  t.same(said(await tryRoute(t, there, { authorities: other.authority, proxies: null })), ['tls ERR_TLS_CERT_ALTNAME_INVALID'])
})

t.test('https asked of a server that speaks none is told as TLS', async (t) => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  t.match(said(await tryRoute(t, { issuer, origin: issuer.url.replace('http:', 'https:') }, DIRECT)), [/^tls /])
})
