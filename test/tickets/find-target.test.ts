import t from 'tap'
import { findTarget, type TargetFacts, type TargetSettings } from '../../src/tickets/find-target.js'

const UNSET: TargetSettings = { publicUrl: null, isTls: false }
const facts = (viaTrustedProxy: boolean, headers: Record<string, string> = {}): TargetFacts =>
  ({ viaTrustedProxy, headers: new Map(Object.entries({ host: 'inner:9001', ...headers })) })
const FORWARDED = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'gateway.example' }
const at = (...args: [TargetFacts, TargetSettings]): string | null => findTarget('/v1/tickets', ...args)

t.test('PUBLIC_URL counts before all that a request says', async (t) => {
  t.equal(at(facts(true, FORWARDED), { publicUrl: 'https://said.example', isTls: false }), 'https://said.example/v1/tickets')
})

t.test('without it the request says, and by what address it came to a proxy only a trusted one', async (t) => {
  t.equal(at(facts(false), UNSET), 'http://inner:9001/v1/tickets')
  t.equal(at(facts(false), { ...UNSET, isTls: true }), 'https://inner:9001/v1/tickets')
  t.equal(at(facts(true, FORWARDED), UNSET), 'https://gateway.example/v1/tickets')
  t.equal(at(facts(false, FORWARDED), UNSET), 'http://inner:9001/v1/tickets', 'a client cannot say another address than its own')
})

t.test('of several entries the proxy that is believed wrote the last', async (t) => {
  const both = { 'x-forwarded-proto': 'http, https', 'x-forwarded-host': 'evil.example, gateway.example' }
  t.equal(at(facts(true, both), UNSET), 'https://gateway.example/v1/tickets')
})

t.test('a host that has more than a host in it names no address: a proof made for another path would count here', async (t) => {
  const hosts = ['evil.example/other?', 'evil.example/other#', 'evil.example?', 'a@b', 'a b', '[::1', 'a:b', 'a:123456', '', 'a\\b', 'é.example']
  t.same(hosts.filter(host => at(facts(false, { host }), UNSET) !== null), [])
  t.same(hosts.filter(host => host !== '' && at(facts(true, { 'x-forwarded-host': host }), UNSET) !== null), [])
  t.same(['ws', 'http://x', 'javascript'].filter(proto => at(facts(true, { 'x-forwarded-proto': proto }), UNSET) !== null), [])
  t.same(['a.example', 'a.example:1', '[2001:db8::1]:9001', '127.0.0.1'].filter(host => at(facts(false, { host }), UNSET) === null), [])
})
