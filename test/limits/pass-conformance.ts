import type { Test } from 'tap'
import type { LimitSettings } from '../../src/limits/limiter.js'
import type { MakeSubject } from './limiter-conformance.js'

const ADDRESS = '192.0.2.1'
const OTHER = '192.0.2.2'
const attempt = { address: ADDRESS, lease: null }
const withPass = (nonce: string, address = ADDRESS) => ({ address, resume: { nonce, ttlMs: 60_000 }, lease: null })

/** What a resume pass does with every limiter. */
export function testPasses (t: Test, make: MakeSubject, settings: LimitSettings): void {
  t.test('a pass spares the address once, and the attempt does not count', async (t) => {
    const { limiter, clock } = await make(t, settings)
    for (let i = 0; i < 10; i++) await limiter.admit(attempt)
    clock.advance(1000)
    t.same(await limiter.admit(withPass('n1')), { admitted: true })
    t.same(await limiter.admit(withPass('n1')), { admitted: false, limit: 'address', retryAfterMs: 59_000 }, 'it is spent')
    t.same(await limiter.admit(withPass('n2')), { admitted: true }, 'another one is not')
    clock.advance(59_000)
    for (let i = 0; i < 10; i++) t.ok((await limiter.admit(attempt)).admitted, 'none of the spared took a place')
    t.notOk((await limiter.admit(attempt)).admitted)
  })

  t.test('an attempt with a spent pass is an ordinary one', async (t) => {
    const { limiter } = await make(t, settings)
    for (let i = 0; i < 11; i++) t.ok((await limiter.admit(withPass('n1'))).admitted)
    t.match(await limiter.admit(withPass('n1')), { admitted: false, limit: 'address' })
    t.match(await limiter.admit(attempt), { admitted: false, limit: 'address' })
  })

  t.test('the same nonce for another address is another pass', async (t) => {
    const { limiter } = await make(t, settings)
    for (const address of [ADDRESS, OTHER]) for (let i = 0; i < 10; i++) await limiter.admit({ address, lease: null })
    t.ok((await limiter.admit(withPass('n1'))).admitted)
    t.ok((await limiter.admit(withPass('n1', OTHER))).admitted)
    t.notOk((await limiter.admit(withPass('n1', OTHER))).admitted)
  })

  t.test('a pass spares no slot', async (t) => {
    const { limiter } = await make(t, { ...settings, userConnections: 1 })
    const lease = (connectionId: string) => ({ owner: 'alice', connectionId })
    t.ok((await limiter.admit({ ...withPass('n1'), lease: lease('a') })).admitted)
    t.match(await limiter.admit({ ...withPass('n2'), lease: lease('b') }), { admitted: false, limit: 'user' })
    for (let i = 0; i < 10; i++) t.ok((await limiter.admit(attempt)).admitted, 'neither counted against the address')
  })

  t.test('a pass of an address that is not asked about is not spent', async (t) => {
    const { limiter } = await make(t, settings)
    for (let i = 0; i < 10; i++) await limiter.admit(attempt)
    t.ok((await limiter.admit({ ...withPass('n1'), address: null, lease: { owner: 'alice', connectionId: 'a' } })).admitted)
    t.ok((await limiter.admit(withPass('n1'))).admitted)
  })

  t.test('with and without passes, slots and addresses, each attempt of one tick gets its own answer', async (t) => {
    const { limiter } = await make(t, { ...settings, addressConnections: 1, userConnections: 1 })
    const lease = (owner: string) => ({ owner, connectionId: `of-${owner}` })
    const answers = await Promise.all([
      limiter.admit({ ...withPass('n1'), lease: lease('alice') }),
      limiter.admit(attempt),
      limiter.admit({ ...withPass('n1'), lease: lease('bob') }),
      limiter.admit(withPass('n2')),
      limiter.admit({ address: null, lease: { owner: 'alice', connectionId: 'second' } }),
      limiter.admit({ address: OTHER, lease: lease('carol') }),
      limiter.admit({ address: null, lease: lease('bob') })
    ])
    t.same(answers.map((answer) => answer.admitted ? 'admitted' : answer.limit),
      ['admitted', 'admitted', 'address', 'admitted', 'user', 'admitted', 'admitted'])
  })
}
