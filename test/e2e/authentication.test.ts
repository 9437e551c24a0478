import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust } from '../support/gateway.js'
import { encodeSegment, signHmacToken, startIssuer } from '../support/issuer.js'

t.test('who may come in', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, trust(issuer))
  const from = (): { from: string } => ({ from: freshAddress() })

  await t.test('a valid token opens a connection that is greeted first of all', async (t) => {
    const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'alice' })}`, from())
    const welcome = await client.next()
    t.equal(welcome.type, 'welcome')
    t.equal(welcome['user_id'], 'alice')
    t.match(welcome['limits'], { frame_bytes: 1_048_576, messages: 100, message_window_s: 60, connections: 5, filter_ids: 50, subscribes_per_s: 10 })
  })

  await t.test('no token is 401 missing_token with a bare challenge', async (t) => {
    const refused = await connectRefused(t, gateway, '/ws', from())
    t.equal(refused.status, 401)
    t.equal(refused.body['error'], 'missing_token')
    t.equal(refused.headers['www-authenticate'], 'Bearer realm="portcullis"')
  })

  const past = Math.floor(Date.now() / 1000) - 3600
  const good = issuer.sign({ sub: 'alice' })
  const [header = '', payload = '', signature = ''] = good.split('.')
  const publicPem = issuer.newestKey().publicKey.export({ type: 'spki', format: 'pem' })
  const kid = issuer.newestKey().kid
  const claims = { iss: issuer.issuer, aud: issuer.audience, sub: 'mallory', iat: past, exp: past + 7200 }
  const cases: ReadonlyArray<readonly [string, string, string]> = [
    ['an expired token', issuer.sign({ sub: 'alice', iat: past - 60, exp: past }), 'expired_token'],
    ['a token with another payload under the same signature', `${header}.${encodeSegment({ ...claims })}.${signature}`, 'invalid_token'],
    ['a token without its signature', `${header}.${payload}.`, 'invalid_token'],
    ['a token of two segments', `${header}.${payload}`, 'invalid_token'],
    ['an unsigned token (alg none)', `${encodeSegment({ alg: 'none', typ: 'JWT' })}.${encodeSegment(claims)}.`, 'invalid_token'],
    ['a token signed by HS256 with the public key', signHmacToken({ alg: 'HS256', typ: 'JWT', kid }, claims, publicPem), 'invalid_token'],
    ['a token for another audience', issuer.sign({ sub: 'alice', aud: 'other' }), 'invalid_token'],
    ['a token of another issuer', issuer.sign({ sub: 'alice', iss: 'https://evil.example' }), 'invalid_token'],
    ['a token without an end', issuer.sign({ sub: 'alice', exp: undefined }), 'invalid_token'],
    ['a token that lives for a year', issuer.sign({ sub: 'alice', exp: past + 31_536_000 }), 'invalid_token'],
    ['a token for the reserved name', issuer.sign({ sub: 'anonymous' }), 'invalid_token'],
    ['an ID token', issuer.sign({ sub: 'alice', typ: 'ID' }), 'invalid_token'],
    ['no token at all but noise', 'noise', 'invalid_token']
  ]
  for (const [what, token, name] of cases) {
    await t.test(`${what} is 401 ${name}`, async (t) => {
      const refused = await connectRefused(t, gateway, `/ws?token=${token}`, from())
      t.equal(refused.status, 401)
      t.equal(refused.body['error'], name)
      t.match(refused.headers['www-authenticate'], /^Bearer .*error="invalid_token"/)
    })
  }

  await t.test('nothing in the query opens the door by another name', async (t) => {
    for (const query of ['token=x%26role=admin', 'user_id=alice', 'token=&role=admin', `%74oken=${good}`, 'anonymous=true', 'sub=alice']) {
      const refused = await connectRefused(t, gateway, `/ws?${query}`, from())
      t.equal(refused.status, 401, query)
    }
  })

  await t.test('headers that proxies use for identity mean nothing', async (t) => {
    const refused = await connectRefused(t, gateway, '/ws', { ...from(), headers: { 'X-User': 'alice', 'X-Forwarded-User': 'alice', Cookie: `token=${good}`, Authorization: `Basic ${good}` } })
    t.equal(refused.body['error'], 'missing_token')
  })
})
