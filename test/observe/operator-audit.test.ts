import t from 'tap'
import type { AnyLine } from '../../src/observe/events.js'
import { createOperatorAudit } from '../../src/observe/operator-audit.js'

t.test('an action is told with whom it meant, bounded and without what could be a token', async (t) => {
  const lines: AnyLine[] = []
  const audit = createOperatorAudit((line) => { lines.push(line) })
  audit.adminAction({ action: 'ban', target: '192.0.2.1', durationMs: 5000, ip: '127.0.0.1', status: 204 })
  audit.adminAction({ action: 'revoke', target: 'jti:eyJhbGciOiJub25lIn0.e30.', issuer: 'oidc', ip: '127.0.0.1', status: 503 })
  audit.adminAction({ action: 'disconnect', target: 'x'.repeat(5000), ip: '127.0.0.1', status: 204 })
  audit.close()
  t.match(lines, [
    { event: 'admin.action', action: 'ban', target: '192.0.2.1', duration_ms: 5000, ip: '127.0.0.1', status: 204 },
    { event: 'admin.action', action: 'revoke', target: '…', issuer: 'oidc', status: 503 },
    { event: 'admin.action', action: 'disconnect', target: `${'x'.repeat(512)}…` }
  ])
})

t.test('wrong secrets of one address are sampled, and lines and counts add up', async (t) => {
  const lines: AnyLine[] = []
  const audit = createOperatorAudit((line) => { lines.push(line) })
  for (let i = 0; i < 1000; i++) audit.wrongSecret('admin', '192.0.2.1')
  audit.wrongSecret('publish', '192.0.2.2')
  audit.close()
  t.match(lines[0], { event: 'secret.refused', ip: '192.0.2.1', secret: 'admin' })
  t.match(lines[10], { event: 'secret.refused', ip: '192.0.2.2', secret: 'publish' })
  t.match(lines[11], { event: 'secret.refused', ip: '192.0.2.1', suppressed: 989 })
  t.equal(lines.length, 12)
})
