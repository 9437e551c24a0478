import t from 'tap'
import { createAuthenticator, readBearer } from '../../src/http/auth.js'
import { offenders } from '../support/offenders.js'

const SECRET = 's'.repeat(32)
const OTHER = 'o'.repeat(32)

t.test('only the whole secret is right', async (t) => {
  const authenticate = createAuthenticator([SECRET])
  t.equal(authenticate(SECRET), 'ok')
  t.same(await offenders(['', 's', `${SECRET}s`, SECRET.slice(1), SECRET.toUpperCase(), `${SECRET}\u0000`], wrong => authenticate(wrong) === 'wrong'), [])
  t.equal(authenticate(null), 'missing')
})

t.test('while a secret is changed both of its values are right, and nothing made of both', async (t) => {
  const authenticate = createAuthenticator([SECRET, OTHER])
  t.same([SECRET, OTHER].map(authenticate), ['ok', 'ok'])
  t.same(await offenders([`${SECRET},${OTHER}`, SECRET + OTHER, ',', ''], wrong => authenticate(wrong) === 'wrong'), [])
})

t.test('without a secret nothing is right, not even an empty or missing one', async (t) => {
  const authenticate = createAuthenticator([])
  t.same(await offenders([null, '', 'null', SECRET], credential => authenticate(credential) === 'hidden'), [])
})

t.test('however many wrong ones came before, the right one is heard', async (t) => {
  const authenticate = createAuthenticator([SECRET])
  for (let i = 0; i < 1000; i++) authenticate(i % 2 === 0 ? null : 'guess')
  t.equal(authenticate(SECRET), 'ok')
})

t.test('a bearer credential is read from a well-formed header only', async (t) => {
  t.equal(readBearer('Bearer abc'), 'abc')
  t.equal(readBearer('bearer  a.b/c+d=! '), 'a.b/c+d=!')
  for (const header of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc', 'Bearer a b', 'xBearer abc', 'Bearerabc']) {
    t.equal(readBearer(header), null)
  }
})
