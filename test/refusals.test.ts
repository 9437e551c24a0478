import t from 'tap'
import { REFUSALS, refuse, type RefusalName } from '../src/refusals.js'

/** The table that clients are promised: HTTP status, close code, and whether to come back. */
const PROMISED: Record<RefusalName, readonly [number | null, number | null, string]> = {
  bad_request: [400, 4400, 'no'],
  missing_token: [401, 4401, 'with a new token'],
  invalid_token: [401, 4401, 'with a new token'],
  expired_token: [401, 4401, 'with a new token'],
  revoked: [401, 4401, 'with a new token'],
  forbidden: [403, 4403, 'no'],
  disconnected: [null, 4403, 'no'],
  banned: [403, 4403, 'after the delay'],
  not_found: [404, null, 'no'],
  upgrade_required: [426, null, 'no'],
  ip_rate_limited: [429, 4429, 'after the delay'],
  user_connection_limit: [429, 4429, 'after the delay'],
  too_many_requests: [null, 4429, 'after the delay'],
  bad_message: [null, 4400, 'no'],
  frame_too_large: [null, 1009, 'no'],
  idle: [null, 4408, 'yes'],
  slow_consumer: [null, 4508, 'yes'],
  restarting: [503, 1012, 'after the delay'],
  overloaded: [503, 1013, 'with back-off'],
  unavailable: [503, 4503, 'with back-off'],
  normal: [null, 1000, 'no']
}

t.test('every refusal has the promised status, close code and word about coming back', async (t) => {
  const rows = Object.entries(REFUSALS).map(([name, { status, closeCode, reconnect }]) => [name, [status, closeCode, reconnect]])
  t.same(Object.fromEntries(rows), PROMISED)
})

t.test('what a browser must be able to read can be told by a close, and nothing else', async (t) => {
  const closable = Object.entries(REFUSALS).filter(([, refusal]) => refusal.closable).map(([name]) => name)
  t.same(closable.toSorted(), ['expired_token', 'forbidden', 'invalid_token', 'ip_rate_limited', 'missing_token', 'revoked', 'unavailable', 'user_connection_limit'])
})

t.test('a message fits into a header\'s quotes as it is (RFC 6750 section 3)', async (t) => {
  for (const [name, { message }] of Object.entries(REFUSALS)) t.match(message, /^[\x20-\x21\x23-\x5b\x5d-\x7e]{3,100}$/, name)
})

t.test('a refusal says what the table says unless a step knows better', async (t) => {
  t.same(refuse('banned'), { name: 'banned', message: 'this address is banned' })
  t.same(refuse('bad_request', { message: 'two tokens', retryAfterMs: 5, detail: 'x' }), { name: 'bad_request', message: 'two tokens', retryAfterMs: 5, detail: 'x' })
})
