import fc from 'fast-check'
import t from 'tap'
import { addressFromBytes, clientBehindProxies, isListed, parseAddress, type ClientAddress } from '../../src/address/client-address.js'
import { readNetworks } from '../../src/config/networks.js'
import { offenders } from '../support/offenders.js'

const networks = (...entries: string[]): ReturnType<typeof readNetworks> => readNetworks(entries, (entry) => { throw new Error(entry) })
const bytes = (...octets: number[]): ArrayBuffer => new Uint8Array(octets).buffer
const v4 = (ip: string): ClientAddress => ({ ip, key: ip })

t.test('an address is read as proxies write it, and counts by IPv4 or by /64', async (t) => {
  const table: ReadonlyArray<readonly [string, string, string]> = [
    ['192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:8080', '192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8:1:2::6', '2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['[2001:db8::1]', '2001:db8::1', '2001:db8::/64'],
    ['[2001:db8::1]:443', '2001:db8::1', '2001:db8::/64'],
    ['2001:db8:0:1::1', '2001:db8:0:1::1', '2001:db8:0:1::/64'],
    ['::1', '::1', '::/64'],
    ['1:0:0:2::9', '1:0:0:2::9', '1:0:0:2::/64'],
    ['::ffff:192.0.2.1', '192.0.2.1', '192.0.2.1'],
    ['[::ffff:c000:201]:80', '192.0.2.1', '192.0.2.1'],
    ['64:ff9b::192.0.2.1', '64:ff9b::c000:201', '64:ff9b::/64']
  ]
  for (const [text, ip, key] of table) t.same(parseAddress(text), { ip, key }, text)
})

t.test('what is no address is none', async (t) => {
  const garbage = [
    '', ' ', 'unknown', 'localhost', '192.0.2', '192.0.2.256', '192.0.2.1.1', '0300.0.2.1', '3221225985', '0xc0.0.2.1', '192.0.2.1:', '192.0.2.1:port', '192.0.2.1:123456',
    ' 192.0.2.1', '[192.0.2.1]', '[192.0.2.1]:80', '[2001:db8::1', '2001:db8::1]', '[]', '[]:80', '[2001:db8::1]x', '[2001:db8::1]:', 'fe80::1%eth0', '[fe80::1%eth0]:80',
    '1::2::3', '12345::', '2001:db8::1/64', '192.0.2.1\r\nX: y', '192.0.2.1\u0000', '"192.0.2.1"', 'for=192.0.2.1', '192.0.2.1, 192.0.2.2', '١٩٢.0.2.1', '[::1]:80:90'
  ]
  t.same(await offenders(garbage, text => parseAddress(text) === null), [])
})

t.test('any text is an address or none, never an exception, and its key holds nothing else', async () => {
  const alphabet = fc.constantFrom(...'0123456789abcdefF.:[]%/, ', '::', '::ffff:', '192.0.2.1', 'fe80::')
  const texts = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.array(alphabet).map(parts => parts.join('')), fc.ipV4Extended())
  fc.assert(fc.property(texts, (text) => {
    const address = parseAddress(text)
    return address === null || (/^[0-9a-f.:]{2,39}$/.test(address.ip) && /^([0-9.]{7,15}|[0-9a-f:]{0,19}::\/64)$/.test(address.key))
  }), { numRuns: 1000 })
})

t.test('every IPv4 and IPv6 address reads the same bare, bracketed and with a port, and again from what was read', async () => {
  fc.assert(fc.property(fc.ipV4(), fc.nat(65535), (ip, port) => {
    const address = parseAddress(ip)
    return address?.ip === ip && address.key === ip && parseAddress(`${ip}:${port}`)?.ip === ip && parseAddress(`::ffff:${ip}`)?.ip === ip
  }))
  fc.assert(fc.property(fc.ipV6(), fc.nat(65535), (ip, port) => {
    const address = parseAddress(ip)
    const again = parseAddress(`[${ip}]:${port}`)
    return address !== null && again?.key === address.key && parseAddress(address.ip)?.key === address.key
  }))
})

t.test('all addresses of one /64 count as one, those of the next as another', async () => {
  const group = fc.nat(0xffff)
  const network = fc.tuple(fc.integer({ min: 1, max: 0xffff }), group, group, fc.nat(0xfffe))
  const hosts = fc.array(group, { minLength: 4, maxLength: 4 })
  fc.assert(fc.property(network, hosts, ([a, b, c, d], host) => {
    const ip = (fourth: number, rest: number[]): string => [a, b, c, fourth, ...rest].map(part => part.toString(16)).join(':')
    const key = parseAddress(ip(d, host))?.key
    return key !== undefined && key === parseAddress(ip(d, [0, 0, 0, 1]))?.key && key !== parseAddress(ip(d + 1, host))?.key
  }))
})

t.test('a peer\'s bytes read as its text does', async (t) => {
  t.same(addressFromBytes(bytes(192, 0, 2, 1)), v4('192.0.2.1'))
  t.same(addressFromBytes(bytes(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1)), v4('127.0.0.1'), 'as a dual-stack listener shows it')
  t.same(addressFromBytes(bytes(0x20, 1, 0xd, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9)), { ip: '2001:db8:1:2::9', key: '2001:db8:1:2::/64' })
})

t.test('a list names addresses, not the /64 they count by', async (t) => {
  const listed = networks('2001:db8::7', '10.0.0.0/8')
  for (const [text, expected] of [['2001:db8::7', true], ['2001:db8::8', false], ['10.9.9.9', true], ['::ffff:10.9.9.9', true], ['11.0.0.1', false]] as const) {
    t.equal(isListed(parseAddress(text) as ClientAddress, listed), expected, text)
  }
})

t.test('behind proxies the client is the right-most address that is no proxy of ours', async (t) => {
  const trusted = networks('10.0.0.0/8', 'fd00::/8')
  const peer = v4('10.0.0.1')
  const table: ReadonlyArray<readonly [string, string | null]> = [
    ['203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, 10.0.0.2', '203.0.113.9'],
    ['6.6.6.6, 203.0.113.9, 10.0.0.3, 10.0.0.2', '203.0.113.9'],
    ['6.6.6.6,203.0.113.9', '203.0.113.9'],
    ['10.0.0.9, 203.0.113.9', '203.0.113.9'],
    ['[2001:db8::1]:443, fd00::1', '2001:db8::1'],
    ['203.0.113.9:55555', '203.0.113.9'],
    ['10.0.0.3, fd12::1', '10.0.0.1'],
    ['garbage, 203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, garbage', null],
    ['garbage, 10.0.0.2', null],
    ['203.0.113.9,', null],
    [',', null],
    ['203.0.113.9, , 10.0.0.2', null],
    ['203.0.113.9, unknown', null],
    ['203.0.113.9 10.0.0.2', null]
  ]
  t.same(await offenders(table, ([header, ip]) => (clientBehindProxies(peer, header, trusted)?.ip ?? null) === ip), [])
})

t.test('ten thousand entries cost little, whether the client is the last or none is', async (t) => {
  const trusted = networks('10.0.0.0/8')
  const peer = v4('10.0.0.1')
  const cpuMs = (header: string, expected: string): number => {
    const before = process.cpuUsage()
    t.equal(clientBehindProxies(peer, header, trusted)?.ip, expected)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1000
  }
  t.ok(cpuMs(Array(10_000).fill('6.6.6.6').join(', '), '6.6.6.6') < 250)
  t.ok(cpuMs(Array(10_000).fill('10.1.2.3').join(', '), '10.0.0.1') < 500)
  t.ok(cpuMs(`${'6.6.6.6, '.repeat(10_000)}203.0.113.9`, '203.0.113.9') < 250)
})

t.test('whatever an attacker puts on the left, the right-most untrusted entry stands', async () => {
  const trusted = networks('10.0.0.0/8')
  fc.assert(fc.property(fc.string(), fc.nat(3), (left, proxies) => {
    const header = [left, '203.0.113.9', ...Array<string>(proxies).fill('10.0.0.7')].join(', ')
    return clientBehindProxies(v4('10.0.0.1'), header, trusted)?.ip === '203.0.113.9'
  }))
})
