import t from 'tap'
import { createRefusalAnswerer, httpRefusal, type RefusalAnswerer } from '../../src/connection/answer-refusal.js'
import { REFUSALS, refuse, type Refusal, type RefusalName } from '../../src/refusals.js'
import { offenders } from '../support/offenders.js'
import { createTestUpgrade, type TestUpgrade } from './stand-ins.js'

const NAMES = Object.keys(REFUSALS) as RefusalName[]
const OVER_HTTP = NAMES.filter(name => REFUSALS[name].status !== null)
const headersOf = (refusal: Refusal): Record<string, string> => Object.fromEntries(httpRefusal(refusal).headers)

t.test('every refusal over HTTP has its status and a JSON body by its name', async (t) => {
  for (const name of OVER_HTTP) {
    const { status, body, headers } = httpRefusal(refuse(name, { retryAfterMs: 1500, detail: 'for the log only' }))
    t.equal(status, REFUSALS[name].status, name)
    t.same(JSON.parse(body), { error: name, message: REFUSALS[name].message, retry_after_s: 2 }, name)
    t.match(Object.fromEntries(headers), { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Retry-After': '2' })
    t.notMatch(JSON.stringify([body, headers]), 'for the log only')
  }
})

t.test('an attempt that waits for Retry-After can succeed: whole seconds, rounded up, at least one', async (t) => {
  for (const [ms, seconds] of [[0, '1'], [1, '1'], [1000, '1'], [1001, '2'], [59_999.5, '60'], [60_000, '60']] as const) {
    t.equal(headersOf(refuse('ip_rate_limited', { retryAfterMs: ms }))['Retry-After'], seconds)
  }
  t.equal(headersOf(refuse('banned', { retryAfterMs: 300_000 }))['Retry-After'], '300')
  for (const name of ['ip_rate_limited', 'user_connection_limit', 'restarting', 'overloaded', 'unavailable'] as const) {
    t.equal(headersOf(refuse(name))['Retry-After'], '1', `${name} always says when`)
  }
  for (const name of ['bad_request', 'missing_token', 'forbidden', 'not_found', 'upgrade_required'] as const) {
    t.notOk('Retry-After' in headersOf(refuse(name)), name)
    t.notMatch(httpRefusal(refuse(name)).body, 'retry_after_s')
  }
})

t.test('401 brings the challenge of RFC 6750, without an error when no token came', async (t) => {
  t.equal(headersOf(refuse('missing_token'))['WWW-Authenticate'], 'Bearer realm="portcullis"')
  for (const name of ['invalid_token', 'expired_token', 'revoked'] as const) {
    t.match(headersOf(refuse(name))['WWW-Authenticate'], /^Bearer realm="portcullis", error="invalid_token", error_description="[^"\\]+"$/, name)
  }
  t.same(await offenders(OVER_HTTP.filter(name => REFUSALS[name].status !== 401), name => !('WWW-Authenticate' in headersOf(refuse(name)))), [])
})

t.test('426 names the protocol and the version that is spoken (RFC 6455 section 4.2.2)', async (t) => {
  t.match(headersOf(refuse('upgrade_required')), { Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' })
})

const wish = (refuseByClose: boolean, addressKey = '192.0.2.1', protocol = ''): { refuseByClose: boolean, protocol: string, addressKey: string } =>
  ({ refuseByClose, protocol, addressKey })

interface Told { readonly upgrade: TestUpgrade, readonly byClose: boolean }

function tell (answerer: RefusalAnswerer, refusal: Refusal, ...args: Parameters<typeof wish>): Told {
  const upgrade = createTestUpgrade()
  return { upgrade, byClose: answerer.answer(upgrade, refusal, wish(...args)) }
}

t.test('who cannot read a status is accepted and closed at once with the code of the table', async (t) => {
  for (const name of OVER_HTTP.filter(name => REFUSALS[name].closable)) {
    const { upgrade, byClose } = tell(createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 }), refuse(name, { retryAfterMs: 5000 }), true, '192.0.2.1', 'portcullis.v1')
    t.ok(byClose, name)
    t.equal(upgrade.answered, null)
    t.equal(upgrade.accepted?.protocol, 'portcullis.v1')
    t.same(upgrade.accepted?.socket.ended, { code: REFUSALS[name].closeCode, reason: `{"error":"${name}","retry_after_ms":5000}` })
    t.same(upgrade.accepted?.socket.sent, [], 'no welcome')
    t.doesNotThrow(() => {
      upgrade.accepted?.handlers.onMessage(new ArrayBuffer(3), true)
      upgrade.accepted?.handlers.onPing()
      upgrade.accepted?.handlers.onDrain()
      upgrade.accepted?.handlers.onClose(1006)
    })
  }
})

t.test('all others, and who did not ask, get the status', async (t) => {
  for (const name of OVER_HTTP.filter(name => !REFUSALS[name].closable)) {
    const { upgrade, byClose } = tell(createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 }), refuse(name), true)
    t.notOk(byClose, name)
    t.equal(upgrade.answered?.status, REFUSALS[name].status)
    t.equal(upgrade.accepted, null)
  }
  t.equal(tell(createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 }), refuse('invalid_token'), false).upgrade.answered?.status, 401)
})

t.test('an address over its limit is told by close once in a window, then by the cheap status', async (t) => {
  const answerer = createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 })
  const limited = refuse('ip_rate_limited', { retryAfterMs: 5000 })
  t.same([1, 2, 3].map(() => tell(answerer, limited, true).byClose), [true, false, false])
  t.ok(tell(answerer, limited, true, '192.0.2.2').byClose, 'another address on its own')
  t.ok(tell(answerer, refuse('invalid_token'), true).byClose, 'other refusals as often as they come')
  t.equal(tell(answerer, limited, true).upgrade.answered?.status, 429)
})

t.test('who asks for the status does not use up the one close', async (t) => {
  const answerer = createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 })
  t.notOk(tell(answerer, refuse('ip_rate_limited'), false).byClose)
  t.ok(tell(answerer, refuse('ip_rate_limited'), true).byClose)
})
