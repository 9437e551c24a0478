import t from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway } from '../support/gateway.js'
import { countLines, openOne, readMetric } from '../support/held-sockets.js'
import { generateKey, signHmacToken, startIssuer, type Behaviour, type Endpoint } from '../support/issuer.js'
import { until } from '../support/until.js'

/** Well below what the largest lie would take if it were read whole. */
const MAX_GROWTH_BYTES = 100_000_000

t.test('an issuer that lies', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, {
    JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: issuer.audience, JWKS_MAX_AGE_S: '1', JWKS_COOLDOWN_S: '1', JWKS_MAX_STALE_S: '3600', JWKS_TIMEOUT_MS: '2000'
  })
  const elsewhere = { issuer: 'https://elsewhere.example', jwks_uri: issuer.jwksUri }
  const lies: ReadonlyArray<readonly [what: string, endpoint: Endpoint, behaviour: Behaviour, reason: string]> = [
    ['a page of HTML with 200', 'jwks', 'html', 'not_json'],
    ['50 MB', 'jwks', 'huge', 'too_large'],
    ['a byte now and then, for ever', 'jwks', 'drip', 'timeout'],
    ['a redirect', 'jwks', 'redirect', 'redirect'],
    ['no keys at all', 'jwks', { body: { keys: [] } }, 'no_usable_key'],
    ['a discovery document of another issuer', 'discovery', { body: elsewhere }, 'wrong_issuer']
  ]
  const residentBefore = await readMetric(gateway, 'process_resident_memory_bytes') ?? 0

  for (const [what, endpoint, behaviour, reason] of lies) {
    await t.test(`${what} is written down, and the known keys go on`, async (t) => {
      issuer.behave(endpoint, behaviour)
      t.match(await gateway.waitForLog('jwks.failed', line => line['reason'] === reason), { level: 'error', issuer: 'oidc' })
      await openOne(t, gateway, issuer.sign({ sub: reason }))
      issuer.behave(endpoint, 'normal')
    })
  }

  await t.test('its memory is what it was', async (t) => {
    const grownBytes = (await readMetric(gateway, 'process_resident_memory_bytes') ?? 0) - residentBefore
    t.ok(grownBytes < MAX_GROWTH_BYTES, `${grownBytes} bytes`)
    t.equal(countLines(gateway, 'fault'), 0)
  })

  await t.test('of a set with good and bad keys only the good ones count', async (t) => {
    const twin = generateKey('RS256', 'twin')
    const secret = 'a-shared-secret-that-anybody-may-read-in-the-set'
    issuer.extraJwks.push(
      twin.jwk, generateKey('RS256', 'twin').jwk, { ...generateKey('RS256', 'enc').jwk, use: 'enc' },
      { kty: 'oct', kid: 'oct', alg: 'HS256', k: Buffer.from(secret).toString('base64url') }
    )
    const before = countLines(gateway, 'jwks.refreshed')
    await until('the set was fetched', () => countLines(gateway, 'jwks.refreshed') >= before + 2)
    t.equal(gateway.log.filter(line => line.event === 'jwks.refreshed').at(-1)?.['keys'], 1)
    await openOne(t, gateway, issuer.sign({ sub: 'good' }))
    const nowS = Math.floor(Date.now() / 1000)
    const claims = { iss: issuer.issuer, aud: issuer.audience, sub: 'mallory', iat: nowS, exp: nowS + 60 }
    const forged = [issuer.sign({ sub: 'mallory' }, { key: twin }), signHmacToken({ alg: 'HS256', kid: 'oct' }, claims, secret)]
    for (const token of forged) t.equal((await connectRefused(t, gateway, `/ws?token=${token}`, { from: freshAddress() })).status, 401)
  })
})

t.test('an issuer that changes its keys', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { JWT_ISSUER: issuer.issuer, JWT_AUDIENCE: issuer.audience, JWKS_COOLDOWN_S: '1' })
  const oldKey = issuer.newestKey()
  const oldToken = issuer.sign({ sub: 'alice' })
  const open = async (token: string): ReturnType<typeof connect> => {
    const client = await connect(t, gateway, `/ws?token=${token}`, { from: freshAddress() })
    await client.nextOf('welcome')
    return client
  }
  const clients = [await open(oldToken), await open(oldToken), await open(oldToken)] as const

  await t.test('a token of a new key is accepted after one fetch, and the old key goes on', async (t) => {
    issuer.addKey()
    const asked = issuer.requests.jwks
    await until('the cooldown is over', async () => {
      return await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'bob' })}`, { from: freshAddress() }).then(() => false, () => true)
    })
    t.equal(issuer.requests.jwks, asked + 1)
    await openOne(t, gateway, oldToken)
  })

  await t.test('a removed key opens nothing more once the set was fetched, though its tokens were remembered', async (t) => {
    issuer.keys.shift()
    issuer.addKey({ kid: 'newest' })
    await until('a token of the newest key is accepted', async () => {
      return await connectRefused(t, gateway, `/ws?token=${issuer.sign({ sub: 'carol' })}`, { from: freshAddress() }).then(() => false, () => true)
    })
    const refused = await connectRefused(t, gateway, `/ws?token=${oldToken}`, { from: freshAddress() })
    t.same([refused.status, refused.body['error']], [401, 'invalid_token'])
  })

  await t.test('sockets that are open under it stay, and can go on with a token of a key that is there', async (t) => {
    const [stays, refreshes, insists] = clients
    for (const client of clients) {
      client.send({ type: 'ping' })
      await client.nextOf('pong')
    }
    refreshes.send({ type: 'refresh', token: issuer.sign({ sub: 'alice' }) })
    await refreshes.nextOf('refreshed')
    insists.send({ type: 'refresh', token: issuer.sign({ sub: 'alice', jti: 'again' }, { key: oldKey }) })
    t.equal((await insists.closed).code, 4401)
    stays.send({ type: 'ping' })
    await stays.nextOf('pong')
  })
})
