import { readFileSync } from 'node:fs'
import t from 'tap'
import { causeOfNetworkError } from '../../src/access/network-cause.js'
import { PROJECT } from '../support/root.js'

t.test('each code of TLS that the page explains is called tls', async (t) => {
  const page = readFileSync(new URL('docs/CAUSES.md', PROJECT), 'utf8')
  const rows = page.slice(page.indexOf('## TLS')).split('\n').filter(line => line.startsWith('| `'))
  const codes = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, code = '']) => code))
  t.ok(codes.length >= 7)
  t.same(codes.filter(code => causeOfNetworkError(new Error('failed'), code) !== 'tls'), [])
})
