import t from 'tap'
import { findAddress } from '../../src/connection/find-address.js'
import type { UpgradeHead } from '../../src/connection/transport.js'
import { bytesOf, headOf, upgradeSettings } from './stand-ins.js'

const PROXIES = ['10.0.0.0/8']
const from = (peer: string, forwardedFor = '', proxied?: string): UpgradeHead =>
  headOf('', { forwardedFor }, { peer: bytesOf(peer), ...(proxied === undefined ? {} : { proxied: bytesOf(proxied) }) })

t.test('a peer that nobody trusts is the client, whatever it says', async (t) => {
  for (const settings of [upgradeSettings(), upgradeSettings({ proxyProtocol: true }, PROXIES)]) {
    t.match(findAddress(from('192.0.2.1'), settings), { address: { ip: '192.0.2.1' }, refusal: null, untrustedHeader: false })
    t.match(findAddress(from('192.0.2.1', '203.0.113.9', '203.0.113.8'), settings), { address: { ip: '192.0.2.1' }, refusal: null, untrustedHeader: true })
    t.match(findAddress(from('192.0.2.1', 'garbage'), settings), { address: { ip: '192.0.2.1' }, refusal: null }, 'garbage of theirs harms nobody')
  }
})

t.test('a trusted peer is believed about the client; garbage is refused in its own name', async (t) => {
  const settings = upgradeSettings({}, PROXIES)
  t.match(findAddress(from('10.0.0.1', '6.6.6.6, 203.0.113.9, 10.0.0.2'), settings), { address: { ip: '203.0.113.9' }, refusal: null, untrustedHeader: false })
  t.match(findAddress(from('10.0.0.1'), settings), { address: { ip: '10.0.0.1' }, refusal: null })
  t.match(findAddress(from('10.0.0.1', '203.0.113.9, garbage'), settings), { address: { ip: '10.0.0.1' }, refusal: { name: 'bad_request' } })
  t.match(findAddress(from('10.0.0.1', '203.0.113.9', '203.0.113.8'), settings), { address: { ip: '203.0.113.9' } }, 'no PROXY header unless it is on')
})

t.test('a trace is that of a trusted proxy; a client\'s own counts as none', async (t) => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const of = (peer: string, forwardedFor: string, proxied?: string): string => {
    const head = from(peer, forwardedFor, proxied)
    const settings = upgradeSettings({ proxyProtocol: true }, PROXIES)
    return findAddress({ ...head, headers: { ...head.headers, traceparent } }, settings).traceparent
  }
  t.same([of('10.0.0.1', ''), of('10.0.0.1', '203.0.113.9'), of('10.0.0.1', '203.0.113.9', '10.0.0.7')], [traceparent, traceparent, traceparent])
  t.same([of('192.0.2.1', ''), of('192.0.2.1', '203.0.113.9'), of('10.0.0.1', '', '203.0.113.8')], ['', '', ''])
})

t.test('a PROXY header counts only when it is on and the peer is trusted', async (t) => {
  const settings = upgradeSettings({ proxyProtocol: true }, PROXIES)
  t.match(findAddress(from('10.0.0.1', '', '203.0.113.8'), settings), { address: { ip: '203.0.113.8' }, refusal: null, untrustedHeader: false })
  t.match(findAddress(from('192.0.2.1', '', '203.0.113.8'), settings), { address: { ip: '192.0.2.1' } }, 'anyone can send one')
  t.match(findAddress(from('10.0.0.1', '203.0.113.9'), settings), { address: { ip: '203.0.113.9' } }, 'a health check without one')
})

t.test('behind a PROXY balancer, X-Forwarded-For counts as that of whoever it names', async (t) => {
  const settings = upgradeSettings({ proxyProtocol: true }, PROXIES)
  t.match(findAddress(from('10.0.0.1', '203.0.113.9', '10.0.0.7'), settings), { address: { ip: '203.0.113.9' }, untrustedHeader: false })
  t.match(findAddress(from('10.0.0.1', '6.6.6.6', '203.0.113.8'), settings), { address: { ip: '203.0.113.8' }, untrustedHeader: true }, 'a client\'s own header')
})
