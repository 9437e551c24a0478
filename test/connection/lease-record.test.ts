import fc from 'fast-check'
import t from 'tap'
import { parseAddress, type ClientAddress } from '../../src/address/client-address.js'
import { parseLeaseRecord, writeLeaseRecord } from '../../src/connection/lease-record.js'
import { identityOf } from '../access/identity-of.js'
import { offenders } from '../support/offenders.js'

const ADDRESS = parseAddress('2001:db8::1') as ClientAddress

t.test('a record is read as it was written, whatever a user is called', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }), fc.nat(), (userId, acceptedAtMs) => {
    const identity = { ...identityOf('x'), userId }
    const record = writeLeaseRecord(identity, ADDRESS, '/ws/agents', acceptedAtMs)
    const { issuer, insecure } = identity
    t.strictSame(parseLeaseRecord(record), { userId, address: ADDRESS, issuer, path: '/ws/agents', insecure, acceptedAtMs })
  }), { numRuns: 200 })
})

t.test('a break-glass connection has no issuer, and says that it is insecure', async (t) => {
  const record = writeLeaseRecord({ ...identityOf('anonymous'), insecure: true }, ADDRESS, '/ws', 1)
  t.match(parseLeaseRecord(record), { userId: 'anonymous', issuer: null, insecure: true })
})

t.test('what is no record of this version is none', async (t) => {
  const good = ['u', '192.0.2.1', 'main', '/ws', 0, 5]
  t.ok(parseLeaseRecord(JSON.stringify(good)))
  const bad = [
    '', 'x', '{}', 'null', '[]', '"u"',
    ...good.map((_, i) => JSON.stringify(good.map((field, j) => i === j && i !== 4 ? {} : field))).filter(text => text.includes('{')),
    JSON.stringify([...good, 1]), JSON.stringify(good.with(1, 'not an address'))
  ]
  t.same(await offenders(bad, text => parseLeaseRecord(text) === null), [])
})
