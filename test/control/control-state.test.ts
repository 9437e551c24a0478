import t from 'tap'
import { MAX_ORDERS } from '../../src/control/control.js'
import { createControlState } from '../../src/control/control-state.js'
import type { KeptOrder } from '../../src/control/order-record.js'
import type { RevokedTokens } from '../../src/tokens/token-name.js'
import { nameOfTarget, toMember } from '../../src/control/revocation-terms.js'
import { createRecorder } from './control-conformance.js'
import { identity } from './identities.js'

const TOKEN = { kind: 'jti', id: 'token-1', issuer: null, issuedBeforeMs: null } as const
const ban = (address: string, more: Partial<KeptOrder> = {}): KeptOrder => (
  { name: address, givenAtUs: 1, lifted: false, remainingMs: 1000, keptUntilMs: 1000, member: address, ...more }
)
const revocation = (issuedBeforeMs: number | null, more: Partial<KeptOrder> = {}): KeptOrder => (
  { ...ban(nameOfTarget(TOKEN), more), member: toMember({ ...TOKEN, issuedBeforeMs }) }
)

function setUp () {
  const { handlers, told } = createRecorder()
  const state = createControlState({ revocationMs: 1000, now: () => 0 })
  state.start(handlers)
  return { state, told }
}

t.test('who is to be told is told once for many, and only of what says more than what was known', async (t) => {
  const { state, told } = setUp()
  state.learn('bans', [ban('a'), ban('b'), ban('c', { lifted: true })])
  state.learn('bans', [ban('a'), ban('b', { givenAtUs: 2 })])
  t.same(told, ['ban a', 'ban b'])
  state.learn('bans', [ban('a', { givenAtUs: 2, lifted: true })])
  state.learn('bans', [ban('a', { givenAtUs: 3 })])
  t.same(told, ['ban a', 'ban b', 'ban a'])
  told.length = 0
  state.learn('revocations', [revocation(2_000_000)])
  state.learn('revocations', [revocation(1_500_000, { givenAtUs: 2 })])
  t.same(told, ['revoked alice true'])
  state.learn('revocations', [revocation(null, { givenAtUs: 3 })])
  t.equal(told.length, 2)
  t.equal(state.isRevoked(identity({ issuedAtMs: 3_000_000 })), true)
  state.learn('revocations', [revocation(null, { givenAtUs: 4, lifted: true })])
  t.equal(state.isRevoked(identity()), false)
  t.equal(state.heardAtUs(), 4)
  state.stop()
  state.learn('bans', [ban('z')])
  t.equal(told.length, 2)
})

t.test('revocations are told by their names, for nobody else to be visited; very many by none, in one walk', async (t) => {
  const told: Array<RevokedTokens['names']> = []
  const state = createControlState({ revocationMs: 1000, now: () => 0 })
  state.start({ ...createRecorder().handlers, onRevoked: ({ names }) => { told.push(names) } })
  const many = (kind: 'sid' | 'sub', count: number): KeptOrder[] => Array.from({ length: count }, (_, n) => {
    const meant = { ...TOKEN, kind, id: `${kind}${n}` }
    return { ...ban(nameOfTarget(meant)), member: toMember(meant) }
  })
  state.learn('revocations', [revocation(null)])
  state.learn('revocations', many('sub', 1000))
  state.learn('revocations', many('sid', 1001))
  t.same(told.map(names => names?.length ?? null), [1, 1000, null])
  t.match(told[0]?.[0], { kind: 'jti', id: 'token-1' })
})

t.test('an order with a name is done once, one without each time; and the names do not pile up', async (t) => {
  const { state, told } = setUp()
  const ask = (orderId: string): boolean => state.perform({ type: 'disconnect', order_id: orderId, user_id: 'bob' })
  t.equal(ask('first'), true)
  t.equal(ask('first'), false)
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
