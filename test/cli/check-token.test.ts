import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { connect, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { startIssuer } from '../support/issuer.js'
import { startRedis } from '../support/redis.js'
import { FREE_PORTS, runCheck, runCli, type Check } from './run-cli.js'

const issuer = await startIssuer(t)
const env = { ...trust(issuer), WS_MAX_CONNECTIONS: '10' }
const nowS = Math.floor(Date.now() / 1000)
const ofToken = (checks: readonly Check[]): string[] =>
  checks.filter(({ part }) => part === 'token').map(({ verdict, reason }) => `${verdict} ${reason}`)
const say = async (token: string, more: Record<string, string> = {}): Promise<string[]> =>
  ofToken((await runCheck({ ...env, ...more }, token)).checks)
/** What of these lines is not said. */
const unsaid = (lines: readonly string[], ...wanted: RegExp[]): string[] =>
  wanted.filter(each => !lines.some(line => each.test(line))).map(String)

t.test('a good token passes every step, and what its user may do is said', async (t) => {
  const { code, checks } = await runCheck(env, issuer.sign({ agents: ['a1', 'a2'], tasks: '*', scope: 'ws:send', jti: 'j', sid: 's' }))
  t.equal(code, 0)
  t.same(unsaid(ofToken(checks),
    /^ok request, origin, address: .*WS_TOKEN_CARRIERS is query,header,protocol/, /^ok form: /, /^ok header: alg is "RS256"/, /^ok key: kid is "key-1"/, /^ok signature: /,
    /^ok claims: exp, sub, iss, iat are there/, /^ok issuer: iss is/, /^ok user: sub is "alice"/, /^ok kind: /, /^ok audience: aud is "\w+", JWT_AUDIENCE is/, /^ok assurance: /, /^ok times: /,
    /^ok binding: /, /^ok permissions: agents is \["a1", "a2"\], 2 in all/, /^ok permissions: tasks is "\*"/, /^ok sending: /, /^ok revocation: by jti, the session, sub/,
    /^ok revocations, user slot: not asked about: without Redis/, /^ok answer: accepted as "alice", until /), [])
})

t.test('where two values differ both are said, with the setting, and the answer is the gateway\'s', async (t) => {
  const { code, checks } = await runCheck(env, issuer.sign({ aud: 'x', exp: nowS - 60, iat: nowS - 120 }))
  t.equal(code, 1)
  t.same(unsaid(ofToken(checks),
    new RegExp(`^fail audience: aud is "x", JWT_AUDIENCE is "${issuer.audience}": `), /^fail times: .*exp is \S+ \(\d+ s ago\)/, /^ok signature: /,
    new RegExp(`^fail answer: invalid_token \\(audience: aud is "x", wanted is "${issuer.audience}"\\): it is for another service`), /^ok permissions, user slot: not reached/), [])
  t.same(unsaid(await say(issuer.sign({}, { header: { kid: 'unpublished' } })), /^fail key: kid is "unpublished".*publishes "key-1"/, /^fail answer: invalid_token \(unknown_key\)/), [])
  t.same(unsaid(await say('an-opaque-token'), /^fail form: 1 parts/, /^fail answer: invalid_token \(format\): it is no JWT/), [])
  t.same(unsaid(await say(issuer.sign({ cnf: { jkt: 'k' } })), /^fail binding: .*by ticket alone/, /^fail answer: invalid_token \(sender_constrained\)/), [])
})

t.test('claims that count for nothing are something to look at', async (t) => {
  t.same(unsaid(await say(issuer.sign({ agents: 'a1', tasks: [7], jti: 7, scope: undefined })),
    /^warn permissions: agents is "a1", wanted is a list of ids, or "\*"/, /^warn permissions: tasks has an entry that is no id, 7/,
    /^warn sending: the scope ws:send is not in it/, /^warn revocation: jti is 7, wanted is a text/, /^ok answer: accepted/), [])
})

t.test('introspection is asked about the token itself, once', async (t) => {
  const keycloak = await startIssuer(t, { preset: 'keycloak', audience: 'gateway' })
  const settings = { KEYCLOAK_URL: keycloak.url, KEYCLOAK_REALM: 'demo', KEYCLOAK_CLIENT_ID: 'gateway', KEYCLOAK_CLIENT_SECRET: 'client-secret', KEYCLOAK_INTROSPECT: 'true' }
  const token = keycloak.sign({ typ: 'Bearer', aud: 'account', azp: 'gateway' })
  const good = ofToken((await runCheck(settings, token)).checks)
  t.same(unsaid(good, /^ok audience: aud is "account", azp is "gateway", KEYCLOAK_CLIENT_ID is "gateway"/, /^ok introspection: /), [])
  t.equal(keycloak.introspected.filter(({ body }) => body.includes(token)).length, 1)
  keycloak.inactive.add(token)
  t.same(unsaid(ofToken((await runCheck(settings, token)).checks), /^fail answer: revoked \(inactive\): introspection says/), [])
})

t.test('what Redis keeps of the token and its user is read, and nothing is written', async (t) => {
  const redis = await startRedis(t)
  const settings = { ...env, REDIS_URL: redis.url }
  const gateway = await startGateway(t, { ...settings, ADMIN_TOKEN: 'an-admin-token-of-at-least-32-bytes', WS_USER_CONNECTIONS: '2' })
  const token = issuer.sign({ sid: 's1', jti: 'j1' })
  const slots = { WS_USER_CONNECTIONS: '2' }
  for (const taken of [0, 1]) {
    t.same(unsaid(await say(token, { ...settings, ...slots }), /^ok revocations: none/, new RegExp(`^ok user slot: ${taken} of WS_USER_CONNECTIONS \\(2\\)`), /^ok answer: accepted/), [])
    await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
  }
  t.same(unsaid(await say(token, { ...settings, ...slots }), /^warn user slot: 2 of .*: an upgrade is refused \(user_connection_limit\)/), [])
  const answer = await gateway.admin('/v1/revocations', {
    method: 'POST', headers: { authorization: 'Bearer an-admin-token-of-at-least-32-bytes' }, body: JSON.stringify({ sid: 's1' })
  })
  t.equal(answer.status, 204)
  const before = (await redis.client.keys('*')).toSorted()
  const { code, checks } = await runCheck(settings, token)
  t.equal(code, 1)
  t.same(unsaid(ofToken(checks), /^fail revocations: one that is kept in Redis means it/, /^fail answer: revoked: /), [])
  t.same((await redis.client.keys('*')).toSorted().filter(key => !before.includes(key)), [])
  t.same(unsaid(await say(issuer.sign({ sid: 's2' }), settings), /^ok revocations: none/), [], 'another session')
})

t.test('keys that cannot be fetched leave the claims to be looked at', async (t) => {
  const away = await startIssuer(t)
  const token = away.sign({ aud: 'x' })
  await away.close()
  const lines = ofToken((await runCheck({ ...trust(away), JWKS_TIMEOUT_MS: '1500' }, token)).checks)
  t.same(unsaid(lines, /^fail key: its issuer's keys could not be fetched/, /^warn signature: not looked at/, /^fail audience: aud is "x"/, /^fail answer: invalid_token/), [])
})

t.test('the token comes by the standard input or a file, never as an argument, and is shown nowhere', async (t) => {
  const token = issuer.sign({ agents: ['a1'] })
  const settings = { ...FREE_PORTS, ...env }
  const file = join(t.testdir(), 'token.txt')
  writeFileSync(file, `Authorization: Bearer ${token}\n`)
  const runs = await Promise.all([runCli(['check', '--token', '-'], settings, `${token}\n`), runCli(['check', '--token', file], settings), runCli(['check', '--token', token], settings)])
  t.same(runs.map(({ code }) => code), [0, 0, 1])
  t.match(runs[0].stdout, /^ok {4}token .* answer: accepted as "alice"/m)
  t.match(runs[2], { stdout: '', stderr: 'a token in an argument is seen by everybody on this host' })
  for (const input of ['', `${token} ${token}`]) t.match(await runCli(['check', '--token', '-'], settings, input), { code: 1, stdout: '', stderr: /nothing was read|one token is wanted/ })
  const [, payload = '', signature = ''] = token.split('.')
  t.same([payload, signature].filter(part => runs.some(({ stdout, stderr }) => (stdout + stderr).includes(part.slice(0, 16)))), [])
})
