import t from 'tap'
import { REFUSALS, refuse, type RefusalName } from '../../src/refusals.js'
import { closeReason } from '../../src/wire/close-reason.js'

const NAMES = Object.keys(REFUSALS) as RefusalName[]

t.test('the reason is the name, and the delay in whole ms where there is one', async (t) => {
  t.equal(closeReason(refuse('expired_token')), '{"error":"expired_token"}')
  t.equal(closeReason(refuse('ip_rate_limited', { retryAfterMs: 1234.5 })), '{"error":"ip_rate_limited","retry_after_ms":1235}')
  t.equal(closeReason(refuse('restarting', { retryAfterMs: 0 })), '{"error":"restarting","retry_after_ms":0}')
})

t.test('no reason is longer than a close frame can carry, whatever the delay and the message', async (t) => {
  for (const name of NAMES) {
    const reason = closeReason(refuse(name, { retryAfterMs: Number.MAX_SAFE_INTEGER, message: 'x'.repeat(1000) }))
    t.ok(Buffer.byteLength(reason) <= 123, name)
    t.same(JSON.parse(reason), { error: name, retry_after_ms: Number.MAX_SAFE_INTEGER })
  }
})
