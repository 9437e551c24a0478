import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createAudit, type AuditOptions } from '../../src/observe/audit.js'
import type { ConnectionFacts } from '../../src/observe/facts.js'
import { createLogDestination } from '../../src/observe/log/log-destination.js'
import { createLog } from '../../src/observe/log/log.js'
import { until } from '../support/until.js'

const JWT = 'eyJhbGciOiJSUzI1NiIsImtpZCI6ImExIn0.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlLXNpZ25hdHVyZS1zaWduYXR1cmU'
const CONNECTION: ConnectionFacts = {
  connectionId: 'c1', userId: 'alice', address: { ip: '2001:db8::1', key: '2001:db8::/64' }, issuer: 'kc', path: '/ws/agents', insecure: false
}
const COMMON = { node: 'n1', connection_id: 'c1', user_id: 'alice', ip: '2001:db8::1', issuer: 'kc', path: '/ws/agents' }

type Written = Record<string, unknown>

function startAudit (t: Test, more: Partial<AuditOptions> = {}) {
  const lines: string[] = []
  const destination = { write (line: string) { lines.push(line) } }
  const audit = createAudit({ log: createLog({ level: 'info', node: 'n1', destination }), node: 'n1', destination, ...more })
  t.teardown(() => { audit.close() })
  /** The lines so far, without their time. */
  function read (): Written[] {
    return lines.map((line) => {
      const { time, ...rest } = JSON.parse(line) as Written
      return rest
    })
  }
  return { audit, lines, read }
}

t.test('an accepted, a refused and a closed connection are lines with exactly the fields of the contract', async (t) => {
  const { audit, lines, read } = startAudit(t)
  audit.accepted(CONNECTION, 1.2345)
  audit.refused({ ...CONNECTION, connectionId: null, userId: null, issuer: null }, { reason: 'ip_rate_limited', durationMs: 0.5 })
  audit.refused(CONNECTION, { reason: 'user_connection_limit', byClose: true, dryRun: true, detail: 'd', durationMs: 2 })
  audit.closed(CONNECTION, { reason: 'normal', code: 1000, durationMs: 5000, messagesIn: 3, messagesOut: 0 })
  for (const line of lines) t.match(line, /,"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",/)
  t.strictSame(read(), [
    { level: 'info', event: 'connection.accepted', ...COMMON, duration_ms: 1.2 },
    { level: 'warn', event: 'connection.refused', node: 'n1', ip: '2001:db8::1', path: '/ws/agents', reason: 'ip_rate_limited', status: 429, duration_ms: 0.5 },
    {
      level: 'warn',
      event: 'connection.refused',
      ...COMMON,
      reason: 'user_connection_limit',
      detail: 'd',
      code: 4429,
      dry_run: true,
      duration_ms: 2
    },
    {
      level: 'info',
      event: 'connection.closed',
      ...COMMON,
      reason: 'normal',
      code: 1000,
      duration_ms: 5000,
      messages_in: 3,
      messages_out: 0
    }
  ])
})

t.test('the close line of a lost process says what is known', async (t) => {
  const { audit, read } = startAudit(t)
  audit.closed(CONNECTION, { reason: 'node_lost', code: null, durationMs: null, messagesIn: null, messagesOut: null })
  t.strictSame(read(), [{ level: 'info', event: 'connection.closed', ...COMMON, reason: 'node_lost' }])
})

t.test('every line about an insecure connection says so', async (t) => {
  const { audit, read } = startAudit(t)
  const insecure = { ...CONNECTION, insecure: true }
  audit.accepted(insecure, 1)
  audit.refused(insecure, { reason: 'ip_rate_limited', durationMs: 1 })
  audit.closed(insecure, { reason: 'normal', code: 1000, durationMs: 1, messagesIn: 0, messagesOut: 0 })
  audit.messageLimited(insecure, false)
  audit.accessDenied(insecure, ['agent:a1'], 'scope')
  t.same(read().map((line) => line['insecure']), [true, true, true, true, true])
})

t.test('limits, denials, keys and the life of the server are lines of their own levels', async (t) => {
  let nowMs = 0
  const { audit, read } = startAudit(t, { now: () => nowMs })
  audit.messageLimited(CONNECTION, true)
  audit.accessDenied(CONNECTION, Array.from({ length: 20 }, (_, i) => `agent:${i}`), 'scope')
  audit.limitsRestored()
  audit.limitsDegraded('local', 'timeout', null)
  audit.limitsDegraded('local', 'again', null)
  nowMs = 1500
  audit.limitsRestored()
  audit.limitsRestored()
  audit.jwksRefreshed('kc', 2)
  audit.jwksFailed('kc', { fault: 'status', detail: 'x'.repeat(1000), address: 'https://id.example/keys' })
  audit.serverStarted({ host: '0.0.0.0', port: 9001, adminPort: null, binding: 'b', insecure: false })
  audit.serverDraining(3, 30_000)
  audit.serverStopped('SIGTERM', 60_000)
  t.strictSame(read(), [
    { level: 'warn', event: 'message.limited', ...COMMON, reason: 'too_many_requests', dry_run: true },
    { level: 'warn', event: 'access.denied', ...COMMON, reason: 'forbidden', detail: 'scope', topics: Array.from({ length: 10 }, (_, i) => `agent:${i}`) },
    { level: 'error', event: 'limits.degraded', node: 'n1', policy: 'local', reason: 'timeout' },
    { level: 'info', event: 'limits.restored', node: 'n1', duration_ms: 1500 },
    { level: 'info', event: 'jwks.refreshed', node: 'n1', issuer: 'kc', keys: 2 },
    { level: 'error', event: 'jwks.failed', node: 'n1', issuer: 'kc', reason: 'status', detail: `${'x'.repeat(256)}…`, url: 'https://id.example/keys' },
    { level: 'info', event: 'server.started', node: 'n1', host: '0.0.0.0', port: 9001, binding: 'b' },
    { level: 'info', event: 'server.draining', node: 'n1', connections: 3, duration_ms: 30_000 },
    { level: 'info', event: 'server.stopped', node: 'n1', reason: 'SIGTERM', duration_ms: 60_000 }
  ])
})

t.test('refusals of one address are sampled, and lines plus suppressed are the attempts; closes are never sampled', async (t) => {
  const { audit, read } = startAudit(t, { sampleIntervalMs: 20 })
  for (let i = 0; i < 1000; i++) {
    audit.refused({ ...CONNECTION, address: { ip: `2001:db8::${i}`, key: '2001:db8::/64' } }, { reason: 'invalid_token', durationMs: 1 })
    audit.closed(CONNECTION, { reason: 'normal', code: 1000, durationMs: 1, messagesIn: 0, messagesOut: 0 })
  }
  t.equal(read().filter((line) => line['event'] === 'connection.refused').length, 50, 'one /64 is one address')
  audit.refused({ ...CONNECTION, address: { ip: '192.0.2.1', key: '192.0.2.1' } }, { reason: 'invalid_token', durationMs: 1 })
  await until('the interval ends', () => read().some((line) => 'suppressed' in line))
  const refused = read().filter((line) => line['event'] === 'connection.refused')
  t.equal(refused.length + refused.reduce((total, line) => total + Number(line['suppressed'] ?? 0), 0), 1001)
  t.match(refused.at(-1), { ip: '2001:db8::/64', reason: 'invalid_token', suppressed: 949 })
  t.equal(read().filter((line) => line['event'] === 'connection.closed').length, 1000)
})

t.test('closing the audit writes the counts held back', async (t) => {
  const { audit, read } = startAudit(t)
  for (let i = 0; i < 60; i++) {
    audit.messageLimited(CONNECTION, false)
    audit.accessDenied(CONNECTION, [], 'access')
  }
  audit.close()
  t.same(read().slice(-2).map((line) => [line['event'], line['suppressed']]), [['message.limited', 9], ['access.denied', 9]])
})

t.test('an untrusted forwarder is warned about once, and there is an end to the addresses', async (t) => {
  const { audit, read } = startAudit(t)
  for (let i = 0; i < 3; i++) audit.untrustedForwardedFor('192.0.2.1')
  t.strictSame(read(), [{ level: 'warn', event: 'forwarded_for.untrusted', node: 'n1', ip: '192.0.2.1' }])
  for (let i = 0; i < 1000; i++) audit.untrustedForwardedFor(`198.51.100.${i}`)
  t.equal(read().length, 100)
})

t.test('whatever a client puts into its user id or path is one bounded, plain, parseable line in the file, without token or query', async (t) => {
  const path = join(t.testdir(), 'p.log')
  const destination = createLogDestination({ stdout: false, file: { path, maxBytes: 1_000_000, keep: 1 } })
  const audit = createAudit({ log: createLog({ level: 'info', node: 'n1', destination }), node: 'n1', destination })
  const hostile = '\r\n{"event":"forged"}\u2028\u2029\u0085\u001b[2J\u009b31m\u0000\u007f\u202e"\\\ud800'
  audit.accepted({ ...CONNECTION, userId: hostile, path: `/ws?token=${JWT}` }, 1)
  audit.refused({ ...CONNECTION, userId: 'u'.repeat(100_000), path: `/ws/${JWT}${hostile}` }, { reason: 'bad_request', detail: hostile, durationMs: 1 })
  audit.close()
  await destination.close()
  const text = readFileSync(path, 'utf8')
  t.match(text, /^[\x20-\x7e\n…]+$/u)
  t.notMatch(text, /eyJ|token=/)
  const lines = text.trimEnd().split('\n').map((line) => JSON.parse(line) as Written)
  t.equal(lines.length, 2)
  t.equal(lines[0]?.['user_id'], hostile)
  t.equal(lines[0]?.['path'], '/ws')
  t.ok(text.length < 2000, `${text.length} characters`)
})
