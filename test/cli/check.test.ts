import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { checkCertificate } from '../../src/cli/check/check-certificate.js'
import { checkDescriptors } from '../../src/cli/check/check-descriptors.js'
import { loadConfig } from '../../src/config/load-config.js'
import { LEAST, NOW_MS } from '../config/expect-mistakes.js'
import { BINDING } from '../support/binding.js'
import { makeCertificate } from '../support/certificate.js'
import { trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { FREE_PORTS, runBuiltCheck, runCheck, runCli } from './run-cli.js'

/** The older binding is something to look at; on any other platform of the tests all is well. */
const OLDER = BINDING.name === 'older'
/** So few connections that no machine of the tests has too low a limit on open files for them. */
const FEW = { WS_MAX_CONNECTIONS: '10' }

t.test('settings that start, an issuer with keys: all is well, and nothing else is needed', async (t) => {
  const issuer = await startIssuer(t)
  issuer.addKey({ kid: 'elliptic', alg: 'ES256' })
  issuer.extraJwks.push({ kty: 'RSA', use: 'enc', n: 'AQAB', e: 'AQAB', kid: 'encryption' })
  const { code, checks, find } = await runBuiltCheck({ ...trust(issuer), PUBLIC_URL: 'https://gateway.example', ...FEW })
  t.equal(code, 0)
  t.same(checks.filter(({ verdict }) => verdict !== 'ok').map(({ part }) => part), OLDER ? ['platform'] : [])
  t.match(find('platform')?.reason, OLDER ? /^Node v20\S+, glibc 2\S+, @trufflesuite\S+ 20\.30\S*: the older binding is for development/ : /^Node v\S+, glibc 2\.\d+, \S+ \S+$/)
  t.match(find('issuer oidc', 'keys')?.reason, '"key-1" (RS256), "elliptic" (ES256); not used: 1 not for signatures')
  t.match(find('issuer oidc', 'clock')?.reason, /^clock: [0-9] s apart$/)
  t.match(find('redis')?.reason, 'none')
  t.match(find('database')?.reason, 'none')
  t.match(find('descriptors')?.reason, /^ulimit -n is \d+$/)
  const lines = await runCli(['check'], { ...FREE_PORTS, ...trust(issuer), PUBLIC_URL: 'https://gateway.example', ...FEW })
  t.equal(lines.code, 0)
  t.match(lines.stdout, /^(ok {4}|warn {2})platform {5}Node v.*\nok {4}settings {5}a start accepts them\nok {4}issuer oidc {2}keys: /)
  t.match(lines.stdout, OLDER ? /\n\n8 ok, 1 to look at, 0 failed\n$/ : /\n\n9 ok, 0 to look at, 0 failed\n$/)
})

t.test('a limit on open files that is lower than the settings need is something to look at, with both numbers', async (t) => {
  const config = loadConfig({ ...LEAST, WS_MAX_CONNECTIONS: '1000' }, NOW_MS)
  t.match(checkDescriptors(config, 1255), [{
    part: 'descriptors', verdict: 'warn', reason: 'ulimit -n is 1255, and WS_MAX_CONNECTIONS=1000 needs 1256: at most 999 connections are taken'
  }])
  t.match(checkDescriptors(config, 1256), [{ verdict: 'ok', reason: 'ulimit -n is 1256' }])
  t.same(checkDescriptors(config, null), [], 'nothing is said where the system does not tell')
})

t.test('every wrong setting is named at once, as at a start, and nothing else is looked at', async (t) => {
  const { code, checks, output } = await runBuiltCheck({ PORT: 'x', WORKERS: '2', JWT_ISSUER: 'https://issuer.example', ADMIN_TOKEN: 'too-short-a-secret', WS_NOPE: '1' })
  t.equal(code, 1)
  const failed = checks.filter(({ verdict }) => verdict === 'fail').map(({ reason }) => reason)
  t.same(await offenders(['PORT', 'WORKERS', 'JWT_AUDIENCE', 'ADMIN_TOKEN'], setting => failed.some(reason => reason.startsWith(`${setting}: `))), [])
  t.ok(checks.some(({ verdict, reason }) => verdict === 'warn' && reason.startsWith('WS_NOPE is no setting')))
  t.notOk(checks.some(({ part }) => part.startsWith('issuer')))
  t.notMatch(output, 'too-short-a-secret')
})

t.test('what is allowed but risky is warned about', async (t) => {
  const issuer = await startIssuer(t)
  const until = new Date(Date.now() + 3_600_000).toISOString()
  const { code, checks } = await runCheck({
    ...trust(issuer), WS_LIMITS_MODE: 'dry-run', ALLOW_INSECURE_WS: 'true', ALLOW_INSECURE_WS_UNTIL: until, WS_INBOUND_MAX_BYTES: '1048575', WS_INBOUND_USER_BYTES: '1048576'
  })
  t.equal(code, 0, 'a warning fails nothing')
  t.notOk(checks.some(({ reason }) => reason.startsWith('WS_INBOUND_USER_BYTES')), 'the longest message has room')
  t.same(await offenders(['WS_LIMITS_MODE', 'ALLOW_INSECURE_WS', 'WS_INBOUND_MAX_BYTES'], setting => checks.some(({ verdict, reason }) => verdict === 'warn' && reason.startsWith(setting))), [])
})

t.test('an issuer is broken in each way', async (t) => {
  const issuer = await startIssuer(t)
  const settings = { JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: issuer.audience, JWKS_TIMEOUT_MS: '1500' }
  const keysOf = async (env: Readonly<Record<string, string>>) => {
    const { code, find } = await runCheck(env)
    const keys = find('issuer oidc', 'keys')
    t.equal(code, keys?.verdict === 'fail' ? 1 : 0)
    return keys
  }
  t.match(await keysOf(settings), { verdict: 'ok', reason: '"key-1" (RS256)' }, 'found by discovery')
  t.match(await keysOf({ ...settings, JWT_ALGORITHMS: 'EdDSA' }), { verdict: 'fail', reason: 'none that may sign EdDSA; not used: 1 unsupported' })
  issuer.behave('discovery', { body: { issuer: `${issuer.issuer}/`, jwks_uri: issuer.jwksUri } })
  t.match(await keysOf(settings), { verdict: 'fail', reason: 'names another issuer' })
  issuer.behave('discovery', 'status_500')
  t.match(await keysOf(settings), { verdict: 'fail', reason: 'another status than 200' })
  issuer.behave('all', 'hang')
  t.match(await keysOf({ ...settings, JWT_JWKS_URI: issuer.jwksUri }), { verdict: 'fail', reason: 'did not answer within JWKS_TIMEOUT_MS' })
  issuer.behave('all', 'html')
  t.match(await keysOf({ ...settings, JWT_JWKS_URI: issuer.jwksUri }), { verdict: 'fail', reason: 'sent no JSON object' })
  await issuer.close()
  t.match(await keysOf(settings), { verdict: 'fail', reason: 'refuses the connection: nobody listens at its port, or at the port of the proxy (ECONNREFUSED)' })
})

t.test('what an issuer calls itself is compared with what its tokens must name', async (t) => {
  const issuer = await startIssuer(t, { preset: 'keycloak' })
  const outer = 'https://id.example/realms/demo'
  const settings = { KEYCLOAK_URL: issuer.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'portcullis' }
  const named = async (env: Readonly<Record<string, string>>) => (await runCheck(env)).find('issuer keycloak', 'issuer')
  t.match(await named(settings), { verdict: 'ok', reason: `its discovery document names "${issuer.issuer}", as tokens must` })
  t.match(await named({ ...settings, KEYCLOAK_ISSUER_URL: 'https://id.example' }), {
    verdict: 'warn', reason: `asked at "${issuer.issuer}" it names itself so, and tokens must name "${outer}" (KEYCLOAK_ISSUER_URL)`
  })
  issuer.behave('discovery', { body: { issuer: outer } })
  t.match(await named(settings), {
    verdict: 'fail', reason: `its discovery document names "${outer}", and tokens must name "${issuer.issuer}" here: all would be refused (unknown_issuer); set KEYCLOAK_ISSUER_URL to what it names`
  })
  t.match(await named({ ...settings, KEYCLOAK_ISSUER_URL: outer }), { verdict: 'ok' })
  issuer.behave('discovery', { body: { issuer: 'https://elsewhere.example\u001b[2J' } })
  t.match(await named({ ...settings, KEYCLOAK_ISSUER_URL: outer }), { verdict: 'fail', reason: '"https://elsewhere.example\\u001b[2J"' })
  issuer.behave('discovery', 'html')
  t.equal(await named(settings), undefined, 'an issuer that publishes none is not judged')
})

t.test('a clock that differs from the issuer\'s is told, with what comes of it', async (t) => {
  const issuer = await startIssuer(t)
  const aheadMs = { now: 0 }
  const server = createServer((_request, response) => {
    response.setHeader('Date', new Date(Date.now() + aheadMs.now).toUTCString()).end(JSON.stringify({ keys: [issuer.newestKey().jwk] }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const env = { ...trust(issuer), JWT_JWKS_URI: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` }
  for (const [offset, reason] of [[120_000, /ahead of .* fresh tokens are refused/], [-120_000, /behind .* tokens end early here/]] as const) {
    aheadMs.now = offset
    const { code, find } = await runCheck(env)
    t.match(find('issuer oidc', 'clock'), { verdict: 'warn', reason })
    t.equal(code, 0)
  }
})

t.test('introspection is tried with the client\'s own secret, which is not shown', async (t) => {
  const issuer = await startIssuer(t, { preset: 'keycloak' })
  issuer.inactive.add('portcullis-check')
  const env = {
    KEYCLOAK_URL: issuer.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'portcullis', KEYCLOAK_CLIENT_SECRET: 'secret-of-the-client', KEYCLOAK_INTROSPECT: 'true'
  }
  const good = await runCheck(env)
  t.match(good.find('issuer keycloak', 'introspection'), { verdict: 'ok' })
  t.ok(issuer.introspected.length === 1 && issuer.introspected[0]?.authorization.startsWith('Basic '))
  issuer.behave('introspection', 'status_500')
  const bad = await runCheck(env)
  t.match(bad.find('issuer keycloak', 'introspection'), { verdict: 'fail', reason: 'another status than 200: is the address right? (500)' })
  issuer.behave('introspection', 'status_401')
  const stranger = await runCheck(env)
  t.match(stranger.find('issuer keycloak', 'introspection'), { verdict: 'fail', reason: 'does not take our client (401): KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET' })
  t.notMatch(good.output + bad.output + stranger.output, 'secret-of-the-client')
})

t.test('a certificate is judged by the time that is left to it', async (t) => {
  const tls = await makeCertificate(t)
  const [nowMs, dayMs] = [Date.now(), 86_400_000]
  t.match(checkCertificate(tls, nowMs + 60_000), [{ part: 'tls', verdict: 'warn', reason: /in 0 days: renew it/ }])
  t.match(checkCertificate(tls, nowMs - 3_600_000), [{ verdict: 'fail', reason: 'not good before' }])
  t.match(checkCertificate(tls, nowMs + 2 * dayMs), [{ verdict: 'fail', reason: 'ended at' }])
  t.match(checkCertificate(null, nowMs), [{ verdict: 'ok', reason: 'off' }])
  const issuer = await startIssuer(t)
  const { find, code } = await runCheck({ ...trust(issuer), TLS_CERT_FILE: tls.certFile, TLS_KEY_FILE: tls.keyFile })
  t.match(find('tls'), { verdict: 'warn', reason: 'the certificate ends at' })
  t.equal(code, 0)
  const swapped = await runCheck({ ...trust(issuer), TLS_CERT_FILE: tls.keyFile, TLS_KEY_FILE: tls.certFile })
  t.match(swapped.checks.filter(({ verdict }) => verdict === 'fail').map(({ reason }) => reason).join(), /TLS_CERT_FILE: .*TLS_KEY_FILE: /)
})
