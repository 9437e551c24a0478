import t from 'tap'
import { ownEnding, readClose } from '../../packages/client/src/close-policy.js'

t.test('a close without a reason is read by its code', async (t) => {
  t.match(readClose(4401, ''), { name: 'invalid_token', reconnect: 'with a new token', retryAfterMs: null })
  t.match(readClose(4403, ''), { name: 'forbidden', reconnect: 'no' })
  t.match(readClose(1000, ''), { name: 'normal', reconnect: 'no' })
})

t.test('a code that is not in the table means a lost connection and back-off', async (t) => {
  for (const code of [1001, 1005, 1006, 1011, 1014, 4999]) {
    t.same(readClose(code, ''), { name: 'connection_lost', code, reconnect: 'with back-off', retryAfterMs: null }, String(code))
  }
})

t.test('a reason that contradicts its code, or is no reason, changes nothing', async (t) => {
  for (const reason of ['{"error":"banned"}', '{"error":"__proto__"}', '{"error":7}', 'null', '[]', '"x"', '{', '{"error":"toString"}']) {
    t.match(readClose(4401, reason), { name: 'invalid_token', reconnect: 'with a new token', retryAfterMs: null }, reason)
  }
  for (const told of ['-1', '"5"', 'null', '{}']) {
    t.equal(readClose(4429, `{"error":"ip_rate_limited","retry_after_ms":${told}}`).retryAfterMs, null, told)
  }
  t.equal(readClose(4403, '{"error":"banned","retry_after_ms":1e999}').retryAfterMs, Infinity, 'the delay is capped where it is used')
})

t.test('of what the client itself ends only the end asked for is final', async (t) => {
  t.same(['closed', 'signed_out', 'silent', 'no_answer', 'token_failed', 'connection_lost'].map(name => ownEnding(name as 'closed').reconnect),
    ['no', 'no', 'with back-off', 'with back-off', 'with back-off', 'with back-off'])
})
