import t from 'tap'
import { readNetworks } from '../../src/config/networks.js'
import { offenders } from '../support/offenders.js'

t.test('networks and single addresses of both families are read', async (t) => {
  const networks = readNetworks(['10.0.0.0/8', '192.0.2.1', 'fd00::/8', '::1', '203.0.113.4/31'], (entry) => { t.fail(entry) })
  t.same(await offenders(['10.255.0.1', '192.0.2.1', '203.0.113.5'], inside => networks.check(inside)), [])
  t.same(await offenders(['fd12::1', '::1'], inside => networks.check(inside, 'ipv6')), [])
  t.same(await offenders(['11.0.0.0', '192.0.2.2', '203.0.113.6'], outside => !networks.check(outside)), [])
  t.same(await offenders(['fe80::1', '::2'], outside => !networks.check(outside, 'ipv6')), [])
})

t.test('a network that takes in IPv4 addresses by their IPv6 form is reported: it would be every one of them, unseen', async (t) => {
  const wrong = ['::ffff:10.0.0.0/104', '::ffff:a00:0/104', '0:0:0:0:0:ffff:192.0.2.1', '::ffff:0:0/96', '::ffff:0.0.0.0/90', '::/8', '::1/64', '::/1']
  const reported: string[] = []
  const networks = readNetworks([...wrong, '::1', '::/97', '2001:db8::/32'], (entry, reason) => {
    t.match(reason, /write the IPv4 form/)
    reported.push(entry)
  })
  t.same(reported, wrong)
  t.notOk(networks.check('10.0.0.1'))
})

t.test('what is no network is reported, entry by entry', async (t) => {
  const wrong = ['10.0.0.0/33', '::/129', '10.0.0/8', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.0/-1', '10.0.0.0/a', 'localhost', '10.0.0.0/0', '::/0', '*', '10.0.0.0/1e1']
  const reported: string[] = []
  readNetworks([...wrong, '10.0.0.0/8'], (entry) => { reported.push(entry) })
  t.same(reported, wrong)
})
