import t from 'tap'
import { createIdentify, isIdentity, type Identify } from '../../src/connection/identify.js'
import type { TokenVerdict, TokenVerifier } from '../../src/tokens/token-verifier.js'
import { identityOf } from '../access/identity-of.js'

const ALICE = identityOf('alice')
const ANONYMOUS = identityOf('anonymous', {}, { insecure: true })
const refused = (refusal: 'invalid_token' | 'expired_token' | 'unavailable'): TokenVerdict => ({ ok: false, refusal, detail: 'why' })

/** Knows `known` at once, `fetched` after asking. */
function identifyWith (verdict: TokenVerdict, { anonymous = false, revoked = false, remote = false } = {}): Identify {
  const tokens: TokenVerifier = {
    verifyNow: () => remote ? null : verdict,
    verify: async () => verdict,
    start: async () => {},
    status: () => [],
    forget: () => {},
    close: () => {}
  }
  return createIdentify({ tokens, isRevoked: () => revoked, anonymous: () => anonymous ? ANONYMOUS : null })
}

t.test('a good token is its user, a bad one the refusal with its reason for the log', async (t) => {
  t.same(identifyWith({ ok: true, identity: ALICE }).now('t'), ALICE)
  for (const name of ['invalid_token', 'expired_token', 'unavailable'] as const) {
    t.match(identifyWith(refused(name)).now('t'), { name, detail: 'why' })
    t.match(await identifyWith(refused(name)).wait('t'), { name, detail: 'why' })
  }
})

t.test('when keys may be there again is passed on', async (t) => {
  t.same(identifyWith({ ok: false, refusal: 'unavailable', detail: 'keys_unavailable', retryAfterMs: 4000 }).now('t'), {
    name: 'unavailable', message: 'a dependency did not answer in time', detail: 'keys_unavailable', retryAfterMs: 4000
  })
})

t.test('no token is missing_token, without asking anybody', async (t) => {
  const identify = identifyWith({ ok: true, identity: ALICE })
  t.match(identify.now(null), { name: 'missing_token' })
  t.match(await identify.wait(null), { name: 'missing_token' })
})

t.test('a token whose issuer must be asked is undecided until it was', async (t) => {
  const identify = identifyWith({ ok: true, identity: ALICE }, { remote: true })
  t.equal(identify.now('t'), null)
  t.same(await identify.wait('t'), ALICE)
})

t.test('a good token that was revoked is refused, at once and after asking', async (t) => {
  const identify = identifyWith({ ok: true, identity: ALICE }, { revoked: true })
  t.match(identify.now('t'), { name: 'revoked' })
  t.match(await identify.wait('t'), { name: 'revoked' })
})

t.test('break-glass covers no token and an issuer that is away, never a token proven bad', async (t) => {
  const open = { anonymous: true }
  t.same(identifyWith(refused('invalid_token'), open).now(null), ANONYMOUS)
  t.same(identifyWith(refused('unavailable'), open).now('t'), ANONYMOUS)
  t.same(await identifyWith(refused('unavailable'), open).wait('t'), ANONYMOUS)
  t.match(identifyWith(refused('invalid_token'), open).now('t'), { name: 'invalid_token' })
  t.match(identifyWith(refused('expired_token'), open).now('t'), { name: 'expired_token' })
  t.match(identifyWith({ ok: true, identity: ALICE }, { anonymous: true, revoked: true }).now('t'), { name: 'revoked' })
  t.same(identifyWith({ ok: true, identity: ALICE }, open).now('t'), ALICE, 'a good token stays who it is')
})

t.test('an identity is told from a refusal', async (t) => {
  t.ok(isIdentity(ALICE))
  t.notOk(isIdentity({ name: 'revoked', message: 'x' }))
})
