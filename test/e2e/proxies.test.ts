import t, { type Test } from 'tap'
import { connect, connectRefused, freshAddress } from '../support/client.js'
import { startGateway, trust, type LogLine, type TestGateway } from '../support/gateway.js'
import { startIssuer, type TestIssuer } from '../support/issuer.js'
import { openRaw, readResponse, upgradeHead } from '../support/raw-socket.js'

type T = Test

const PROXY = '127.66.0.1'
let users = 0

/** Connects behind a proxy and gives the address that the log tells. */
async function seenAddress (
  t: T, gateway: TestGateway, issuer: TestIssuer, forwardedFor: string | string[], from = PROXY
): Promise<unknown> {
  const sub = `user-${++users}`
  const client = await connect(t, gateway, `/ws?token=${issuer.sign({ sub })}`, { from, headers: { 'X-Forwarded-For': forwardedFor } })
  await client.next()
  client.socket.close()
  return (await gateway.waitForLog('connection.accepted', line => line['user_id'] === sub))['ip']
}

t.test('behind trusted proxies', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), TRUSTED_PROXIES: '127.66.0.0/16,10.0.0.0/8,2001:db8:ffff::/48' })
  const many = Array.from({ length: 200 }, (_, i) => `203.0.113.${i}`).join(', ')
  const cases: ReadonlyArray<readonly [string, string | string[], string]> = [
    ['one entry', '198.51.100.1', '198.51.100.1'],
    ['the right-most, as everything left of it is hearsay', '203.0.113.9, 198.51.100.1', '198.51.100.1'],
    ['trusted entries are passed over', '203.0.113.9, 198.51.100.2, 10.1.2.3, 127.66.9.9', '198.51.100.2'],
    ['several lines are one list in order', ['203.0.113.9', '198.51.100.3', '10.0.0.1'], '198.51.100.3'],
    ['the last line counts, not the first', ['198.51.100.4', '203.0.113.4'], '203.0.113.4'],
    ['200 entries', `${many}, 198.51.100.5`, '198.51.100.5'],
    ['a port', '198.51.100.6:4711', '198.51.100.6'],
    ['brackets and a port', '[2001:db8::1]:443', '2001:db8::1'],
    ['brackets', '[2001:db8::2]', '2001:db8::2'],
    ['bare IPv6', '2001:db8::3', '2001:db8::3'],
    ['mapped IPv4', '::ffff:198.51.100.7', '198.51.100.7'],
    ['a trusted mapped IPv4', '198.51.100.8, ::ffff:10.0.0.1', '198.51.100.8'],
    ['a trusted IPv6', '198.51.100.9, 2001:db8:ffff:1::1', '198.51.100.9'],
    ['no spaces', '203.0.113.9,198.51.100.10', '198.51.100.10'],
    ['garbage left of what counts', 'garbage, 198.51.100.11', '198.51.100.11'],
    ['none but trusted ones: the peer', '10.0.0.1, 10.0.0.2', PROXY]
  ]
  for (const [what, header, ip] of cases) {
    await t.test(what, async (t) => { t.equal(await seenAddress(t, gateway, issuer, header), ip) })
  }

  await t.test('garbage where it counts is 400', async (t) => {
    for (const header of ['garbage', '198.51.100.1, garbage', '198.51.100.1,', ',', 'unknown', '1.2.3', '010.0.0.1', '256.1.1.1', '[198.51.100.1]', '198.51.100.1:port', 'fe80::1%eth0', '"198.51.100.1"', '198.51.100.1;x']) {
      const refused = await connectRefused(t, gateway, `/ws?token=${issuer.sign()}`, { from: PROXY, headers: { 'X-Forwarded-For': header } })
      t.equal(refused.status, 400, header)
      t.equal(refused.body['error'], 'bad_request')
    }
  })

  await t.test('clients behind one proxy have windows of their own, and a proxy none', async (t) => {
    const one = { from: PROXY, headers: { 'X-Forwarded-For': '192.0.2.1' } }
    for (let i = 0; i < 10; i++) t.equal((await connectRefused(t, gateway, '/ws', one)).status, 401)
    t.equal((await connectRefused(t, gateway, '/ws', one)).status, 429)
    t.equal((await connectRefused(t, gateway, '/ws', { ...one, headers: { 'X-Forwarded-For': '192.0.2.1, 192.0.2.2' } })).status, 401)
    t.equal((await connectRefused(t, gateway, '/ws', { ...one, headers: { 'X-Forwarded-For': '192.0.2.2, 192.0.2.1' } })).status, 429, 'the window is the client\'s, whatever it claims before')
  })

  await t.test('an IPv6 client counts by its /64', async (t) => {
    const from = (host: string): object => ({ from: PROXY, headers: { 'X-Forwarded-For': `2001:db8:1:${host}` } })
    for (let i = 0; i < 10; i++) t.equal((await connectRefused(t, gateway, '/ws', from(`2::${i + 1}`))).status, 401)
    t.equal((await connectRefused(t, gateway, '/ws', from('2:ffff:ffff:ffff:ffff'))).status, 429)
    t.equal((await connectRefused(t, gateway, '/ws', from('3::1'))).status, 401)
  })

  await t.test('the header of an untrusted peer means nothing, and its sender is warned about once', async (t) => {
    const stranger = freshAddress()
    for (let i = 0; i < 3; i++) t.equal(await seenAddress(t, gateway, issuer, '198.51.100.1', stranger), stranger)
    t.equal(await seenAddress(t, gateway, issuer, 'garbage', stranger), stranger)
    const warnings = gateway.log.filter((line: LogLine) => line.event === 'forwarded_for.untrusted')
    t.same(warnings.map(line => line['ip']), [stranger])
    t.equal(warnings[0]?.['level'], 'warn')
  })
})

/** A PROXY protocol v2 header for TCP over IPv4. */
function proxyHeader (client: string): Buffer {
  const bytes = Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex')
  return Buffer.concat([bytes, Buffer.from(client.split('.').map(Number)), Buffer.from([127, 0, 0, 1, 0x30, 0x39, 0x23, 0x29])])
}

async function seenThroughProxyHeader (t: T, gateway: TestGateway, issuer: TestIssuer, from: string): Promise<unknown> {
  const sub = `user-${++users}`
  const raw = await openRaw(t, gateway.port, from)
  raw.write(Buffer.concat([proxyHeader('198.51.100.77'), Buffer.from(upgradeHead(`/ws?token=${issuer.sign({ sub })}`))]))
  if ((await readResponse(raw))?.status !== 101) return null
  return (await gateway.waitForLog('connection.accepted', line => line['user_id'] === sub))['ip']
}

t.test('a PROXY v2 header is believed only with the setting and from a trusted peer', async (t) => {
  const issuer = await startIssuer(t)
  const on = await startGateway(t, { ...trust(issuer), TRUSTED_PROXIES: '127.66.0.0/16', PROXY_PROTOCOL: 'v2' })
  t.equal(await seenThroughProxyHeader(t, on, issuer, PROXY), '198.51.100.77')
  t.equal(await seenThroughProxyHeader(t, on, issuer, '127.67.0.1'), '127.67.0.1')
  t.equal(await seenAddress(t, on, issuer, '198.51.100.1'), '198.51.100.1', 'a trusted proxy without it')
  const off = await startGateway(t, { ...trust(issuer), TRUSTED_PROXIES: '127.66.0.0/16' })
  const seen = await seenThroughProxyHeader(t, off, issuer, PROXY)
  t.ok(seen === PROXY || seen === null, String(seen))
})

t.test('on a dual-stack port', async (t) => {
  const issuer = await startIssuer(t)
  const gateway = await startGateway(t, { ...trust(issuer), HOST: '::' })
  const seen = async (sub: string): Promise<unknown> => (await gateway.waitForLog('connection.accepted', line => line['user_id'] === sub))['ip']

  await t.test('an IPv4 client is written and counted as IPv4', async (t) => {
    const from = freshAddress()
    await connect(t, gateway, `/ws?token=${issuer.sign({ sub: 'four' })}`, { from })
    t.equal(await seen('four'), from)
    for (let i = 0; i < 9; i++) t.equal((await connectRefused(t, gateway, '/ws', { from })).status, 401)
    t.equal((await connectRefused(t, gateway, '/ws', { from })).status, 429)
    t.equal((await connectRefused(t, gateway, '/ws', { from: freshAddress() })).status, 401, 'another IPv4 address is another window')
  })

  await t.test('an IPv6 client is written in its short form', async (t) => {
    const raw = await openRaw(t, gateway.port, '', '::1')
    raw.write(upgradeHead(`/ws?token=${issuer.sign({ sub: 'six' })}`))
    t.equal((await readResponse(raw))?.status, 101)
    t.equal(await seen('six'), '::1')
  })
})
