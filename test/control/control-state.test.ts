import t from 'tap'
import { MAX_ORDERS } from '../../src/control/control.js'
import { createControlState, type ControlSnapshot } from '../../src/control/control-state.js'
import { createRecorder } from './control-conformance.js'
import { identity } from './identities.js'

const TOKEN = { kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null } as const

/** A reading that ends when the test says so. */
function createReading () {
  let end = (_snapshot: ControlSnapshot): void => {}
  let fail = (_error: Error): void => {}
  const found = new Promise<ControlSnapshot>((resolve, reject) => { [end, fail] = [resolve, reject] })
  return { read: async () => await found, end: (snapshot: ControlSnapshot) => { end(snapshot) }, fail: (error: Error) => { fail(error) } }
}

t.test('an order that arrives during a reading outlives it, whether the reading has seen it or not', async (t) => {
  const { handlers, told } = createRecorder()
  const state = createControlState(() => 0)
  state.start(handlers)
  const reading = createReading()
  const reloaded = state.reload(reading.read)
  state.perform({ type: 'revoke', revocation: TOKEN, duration_ms: 1000 })
  state.perform({ type: 'ban', address: 'new', duration_ms: 1000 })
  state.perform({ type: 'unban', address: 'lifted' })
  state.perform({ type: 'disconnect', user_id: 'bob' })
  reading.end({ revocations: [], bans: [{ address: 'lifted', remainingMs: 1000 }] })
  await reloaded
  t.equal(state.isRevoked(identity()), true)
  t.equal(state.bannedForMs('new'), 1000)
  t.equal(state.bannedForMs('lifted'), 0)
  t.equal(told.filter((line) => line === 'disconnect bob').length, 1)
})

t.test('an order that was lifted during a reading does not come back with it', async (t) => {
  const { handlers } = createRecorder()
  const state = createControlState(() => 0)
  state.start(handlers)
  state.perform({ type: 'revoke', revocation: TOKEN, duration_ms: 1000 })
  const reading = createReading()
  const reloaded = state.reload(reading.read)
  state.perform({ type: 'unrevoke', target: { kind: 'jti', id: 'token-1', issuer: null } })
  reading.end({ revocations: [{ revocation: TOKEN, remainingMs: 1000 }], bans: [] })
  await reloaded
  t.equal(state.isRevoked(identity()), false)
})

t.test('a reading that fails changes nothing', async (t) => {
  const { handlers } = createRecorder()
  const state = createControlState(() => 0)
  state.start(handlers)
  state.perform({ type: 'revoke', revocation: TOKEN, duration_ms: 1000 })
  const reading = createReading()
  const reloaded = state.reload(reading.read)
  state.perform({ type: 'ban', address: 'new', duration_ms: 1000 })
  reading.fail(new Error('away'))
  await t.rejects(reloaded, /away/)
  t.equal(state.isRevoked(identity()), true)
  t.equal(state.bannedForMs('new'), 1000)
})

t.test('an order with a name is done once, one without each time; and the names do not pile up', async (t) => {
  const { handlers, told } = createRecorder()
  const state = createControlState(() => 0)
  state.start(handlers)
  const ask = (orderId: string): void => { state.perform({ type: 'disconnect', order_id: orderId, user_id: 'bob' }) }
  ask('first')
  ask('first')
  t.equal(told.length, 1)
  for (let n = 0; n < 2 * MAX_ORDERS - 1; n++) ask(`o${n}`)
  ask('first')
  t.equal(told.length, 2 * MAX_ORDERS, 'as long as it may still be kept it is known')
  ask('one more')
  ask('first')
  t.equal(told.length, 2 * MAX_ORDERS + 2, 'after that it is forgotten')
  told.length = 0
  for (let n = 0; n < 2; n++) state.perform({ type: 'recheck', user_id: 'bob' })
  t.same(told, ['recheck bob', 'recheck bob'])
})

t.test('what is known can be written down and read back', async (t) => {
  const { handlers } = createRecorder()
  const state = createControlState(() => 0)
  state.start(handlers)
  const other = createControlState(() => 0)
  other.start(handlers)
  state.perform({ type: 'revoke', revocation: TOKEN, duration_ms: 1000 })
  state.perform({ type: 'revoke', revocation: { kind: 'sub', id: 'bob', issuer: 'main', issuedBeforeMs: 5000 }, duration_ms: 2000 })
  state.perform({ type: 'ban', address: 'a', duration_ms: 3000 })
  const known = state.known()
  t.same(known.bans, [{ address: 'a', remainingMs: 3000 }])
  await other.reload(async () => known)
  t.same(other.known(), known)
})
