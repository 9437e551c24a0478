import t from 'tap'
import { presentRefused } from '../attacks/present.js'
import { runCheck } from '../cli/run-cli.js'
import { startConnectProxy } from '../support/connect-proxy.js'
import { startGateway } from '../support/gateway.js'
import { claimsOf, freshName, makeRealm } from './realm.js'

t.test('a realm whose name has a space, reached at an inner address', async (t) => {
  const realm = await makeRealm(t, { name: freshName('my realm'), by: 'rest' })
  const outer = 'https://id.example'
  const outerIssuer = `${outer}/realms/${encodeURIComponent(realm.name)}`
  const issuerVerdict = async (env: Readonly<Record<string, string>>) => (await runCheck({ ...realm.settings, ...env })).find('issuer keycloak', 'issuer')

  await t.test('is what its tokens name, and opens', async (t) => {
    const gateway = await startGateway(t, realm.settings)
    const { access_token: token } = await realm.logIn()
    t.equal(claimsOf(token)['iss'], realm.issuer)
    t.equal(await presentRefused(t, gateway, token), 'accepted')
    t.match(await issuerVerdict({}), { verdict: 'ok' })
    t.match(await issuerVerdict({ KEYCLOAK_ISSUER_URL: outer }), { verdict: 'warn' })
  })

  await t.test('with an outer name, all tokens are refused until that is told', async (t) => {
    const before = await realm.call('GET', '') as { attributes: object }
    await realm.call('PUT', '', { ...before, attributes: { ...before.attributes, frontendUrl: outer } })
    const { access_token: token } = await realm.logIn()
    t.equal(claimsOf(token)['iss'], outerIssuer)
    t.equal(await presentRefused(t, await startGateway(t, realm.settings), token), '401 invalid_token unknown_issuer')
    t.match(await issuerVerdict({}), { verdict: 'fail', reason: `its discovery document names "${outerIssuer}", and tokens must name "${realm.issuer}" here` })
    for (const told of [outer, outerIssuer]) {
      const settings = { ...realm.settings, KEYCLOAK_ISSUER_URL: told }
      t.equal(await presentRefused(t, await startGateway(t, settings), token), 'accepted', told)
      t.match(await issuerVerdict({ KEYCLOAK_ISSUER_URL: told }), { verdict: 'ok' })
    }
  })

  await t.test('with introspection, keys and questions go by a proxy', async (t) => {
    const proxy = await startConnectProxy(t)
    const gateway = await startGateway(t, {
      ...realm.settings,
      KEYCLOAK_ISSUER_URL: outer,
      KEYCLOAK_CLIENT_SECRET: 'change-me-before-the-import',
      KEYCLOAK_INTROSPECT: 'true',
      HTTP_PROXY: proxy.url
    })
    t.equal(await presentRefused(t, gateway, (await realm.logIn()).access_token), 'accepted')
    t.same([...new Set(proxy.asked)], [new URL(realm.server).host])
  })

  await t.test('a client secret that is wrong is told by check', async (t) => {
    const { find } = await runCheck({ ...realm.settings, KEYCLOAK_INTROSPECT: 'true', KEYCLOAK_CLIENT_SECRET: 'wrong' })
    t.match(find('issuer keycloak', 'introspection'), { verdict: 'fail' })
  })
})
