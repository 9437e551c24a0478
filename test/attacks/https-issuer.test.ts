import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { makeCertificate } from '../support/certificate.js'
import { startConnectProxy } from '../support/connect-proxy.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { present } from './present.js'

interface HttpsIssuer { readonly issuer: string, readonly gateway: TestGateway }

/** A gateway whose issuer is https, and whose discovery document names what `jwksUriOf` makes of the issuer's own address. */
async function startBehind (
  t: Test, keys: TestIssuer, jwksUriOf: (issuer: string) => string,
  route: (certFile: string) => Readonly<Record<string, string>> = certFile => ({ NODE_EXTRA_CA_CERTS: certFile })
): Promise<HttpsIssuer> {
  const { certFile, keyFile } = await makeCertificate(t)
  const server = createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) }, (req, res) => {
    const document = req.url === '/jwks' ? { keys: keys.keys.map(key => key.jwk) } : { issuer, jwks_uri: jwksUriOf(issuer) }
    res.setHeader('content-type', 'application/json').end(JSON.stringify(document))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise<void>((resolve) => { server.close(() => { resolve() }) })
  })
  const issuer = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const env = { ...route(certFile), JWT_ISSUER: issuer, JWT_AUDIENCE: keys.audience }
  return { issuer, gateway: await startGateway(t, env, { ready: false }) }
}

t.test('an https issuer whose document names keys at https is asked for them', async (t) => {
  const keys = await startIssuer(t)
  const { issuer, gateway } = await startBehind(t, keys, (own) => `${own}/jwks`)
  await gateway.waitForLog('jwks.refreshed')
  t.equal((await present(t, gateway, keys.sign({ iss: issuer }))).status, 101)
})

t.test('an https issuer is asked by the proxy of the environment, and believed by the file of authorities', async (t) => {
  const [keys, proxy] = await Promise.all([startIssuer(t), startConnectProxy(t)])
  const { issuer, gateway } = await startBehind(t, keys, (own) => `${own}/jwks`, (certFile) => ({ ISSUER_CA_FILE: certFile, https_proxy: proxy.url }))
  await gateway.waitForLog('jwks.refreshed')
  t.equal((await present(t, gateway, keys.sign({ iss: issuer }))).status, 101)
  t.same([...new Set(proxy.asked)], [new URL(issuer).host])
})

t.test('an https issuer whose document names keys at http is not asked for them, and nobody is let in by them', async (t) => {
  const keys = await startIssuer(t)
  const { issuer, gateway } = await startBehind(t, keys, () => keys.jwksUri)
  t.match(await gateway.waitForLog('jwks.failed'), { reason: 'insecure_uri' })
  t.equal((await present(t, gateway, keys.sign({ iss: issuer }))).status, 503)
  t.equal(keys.requests.jwks, 0)
})
