import t from 'tap'
import { createAuthenticator, readBearer } from '../../src/http/auth.js'

const SECRET = 's'.repeat(32)

t.test('only the whole secret is right', async (t) => {
  const authenticate = createAuthenticator({ secret: SECRET })
  t.same(authenticate(SECRET, '192.0.2.1'), { verdict: 'ok' })
  for (const wrong of [null, '', 's', `${SECRET}s`, SECRET.slice(1), SECRET.toUpperCase(), `${SECRET}\u0000`]) {
    t.same(authenticate(wrong, '192.0.2.1'), { verdict: 'unauthorized' })
  }
})

t.test('without a secret nothing is right, not even an empty or missing one', async (t) => {
  const authenticate = createAuthenticator({ secret: null })
  for (const credential of [null, '', 'null', SECRET]) t.same(authenticate(credential, '192.0.2.1'), { verdict: 'hidden' })
})

t.test('after ten failures in a minute an address has to wait, with the right secret as well, and others do not', async (t) => {
  let nowMs = 0
  const authenticate = createAuthenticator({ secret: SECRET, now: () => nowMs })
  for (let i = 0; i < 10; i++) t.equal(authenticate('guess', '192.0.2.1').verdict, 'unauthorized')
  nowMs = 20_000
  t.same(authenticate('guess', '192.0.2.1'), { verdict: 'limited', retryAfterMs: 40_000 })
  t.same(authenticate(SECRET, '192.0.2.1'), { verdict: 'limited', retryAfterMs: 40_000 })
  t.same(authenticate(SECRET, '192.0.2.2'), { verdict: 'ok' })
  nowMs = 60_000
  t.same(authenticate(SECRET, '192.0.2.1'), { verdict: 'ok' })
})

t.test('a success does not wipe out failures', async (t) => {
  const authenticate = createAuthenticator({ secret: SECRET, now: () => 0 })
  for (let i = 0; i < 10; i++) {
    authenticate('guess', '192.0.2.1')
    if (i < 9) t.equal(authenticate(SECRET, '192.0.2.1').verdict, 'ok')
  }
  t.equal(authenticate('guess', '192.0.2.1').verdict, 'limited')
})

t.test('a bearer credential is read from a well-formed header only', async (t) => {
  t.equal(readBearer('Bearer abc'), 'abc')
  t.equal(readBearer('bearer  a.b/c+d=! '), 'a.b/c+d=!')
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'xBearer abc', 'Bearerabc']) {
    t.equal(readBearer(header), null)
  }
})
