import t from 'tap'
import { closeSession } from '../../src/connection/send-end-close.js'
import { refresh } from '../../src/connection/refresh.js'
import { workInOrder } from '../../src/connection/work-in-order.js'
import type { Identify } from '../../src/connection/identify.js'
import { refuse, type Refusal } from '../../src/refusals.js'
import type { Identity } from '../../src/tokens/identity.js'
import { identityOf } from '../access/identity-of.js'
import { createTestContext, createTestReport, createTestSubscriptions, createTestWheel, openTestSession } from './stand-ins.js'

const FRAME = { type: 'refresh', id: 'r', token: 'new.token' } as const
const NEW_END_MS = 3_900_000_000_000
const knows = (who: Identity | Refusal): Identify => ({ now: () => who, wait: async () => who })
const asks = (who: Promise<Identity | Refusal>): Identify => ({ now: () => null, wait: async () => await who })
const settled = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }

t.test('a new token of the same user takes over: end, warning, rights', async (t) => {
  const asked: string[] = []
  const wheel = createTestWheel()
  const who = identityOf('alice', { agents: ['b'] }, { expiresAtMs: NEW_END_MS })
  const context = createTestContext({ identify: knows(who), subscriptions: createTestSubscriptions(asked), wheel })
  const { session, socket } = openTestSession()
  session.warnedOfExpiry = true
  refresh(context, session, FRAME)
  t.same(socket.frames(), [{ type: 'refreshed', id: 'r', expires_at: new Date(NEW_END_MS).toISOString() }])
  t.equal(session.identity, who)
  t.equal(session.warnedOfExpiry, false)
  t.equal(wheel.due.get(session), NEW_END_MS - 30_000)
  t.same(asked, ['identity changed'])
  t.equal(session.token, '', 'the token itself is kept only where it is needed')
})

t.test('an order finds the connection by the new token, and not by the old one', async (t) => {
  const who = identityOf('alice', {}, { tokenId: 'new', sessionId: 'later' })
  const context = createTestContext({ identify: knows(who) })
  const { session } = openTestSession(identityOf('alice', {}, { tokenId: 'old', sessionId: 'sooner' }))
  context.registry.add(session)
  refresh(context, session, FRAME)
  const names = [{ kind: 'jti', id: 'new' }, { kind: 'sid', id: 'later' }, { kind: 'jti', id: 'old' }, { kind: 'sid', id: 'sooner' }] as const
  t.same(names.map(name => [...context.registry.ofToken(name)].length), [1, 1, 0, 0])
})

t.test('the token is kept where the authorizer presents it', async (t) => {
  const context = createTestContext({ identify: knows(identityOf('alice')), keepTokens: true })
  const { session } = openTestSession('alice', { token: 'old' })
  refresh(context, session, FRAME)
  t.equal(session.token, 'new.token')
})

t.test('another user, another issuer, or nobody at all ends the connection', async (t) => {
  const others = [identityOf('bob'), identityOf('alice', {}, { issuer: 'other' }), identityOf('alice', {}, { insecure: true })]
  for (const who of others) {
    const { session, socket } = openTestSession()
    const { identity } = session
    refresh(createTestContext({ identify: knows(who) }), session, FRAME)
    t.match(socket.ended, { code: 4401, reason: '{"error":"invalid_token"}' })
    t.equal(session.identity, identity)
    t.same(socket.sent, [])
  }
})

t.test('a bad token ends the connection as it would have refused the upgrade', async (t) => {
  for (const name of ['invalid_token', 'expired_token', 'revoked'] as const) {
    const { session, socket } = openTestSession()
    refresh(createTestContext({ identify: knows(refuse(name)) }), session, FRAME)
    t.same(socket.ended, { code: 4401, reason: `{"error":"${name}"}` })
  }
})

t.test('an issuer that is away leaves the old token in force', async (t) => {
  const { session, socket } = openTestSession()
  refresh(createTestContext({ identify: asks(Promise.resolve(refuse('unavailable', { detail: 'jwks' }))) }), session, FRAME)
  await settled()
  t.equal(socket.ended, null)
  t.match(socket.frames(), [{ type: 'error', id: 'r', error: 'unavailable', retry_after_ms: 1000 }])
})

t.test('a connection that closed while its token was looked at takes nothing any more', async (t) => {
  const asked: string[] = []
  const wheel = createTestWheel()
  let answer = (_who: Identity): void => {}
  const identify = asks(new Promise<Identity>((resolve) => { answer = resolve }))
  const context = createTestContext({ identify, subscriptions: createTestSubscriptions(asked), wheel })
  const { session, socket } = openTestSession()
  context.registry.add(session)
  refresh(context, session, FRAME)
  closeSession(context, session, 1001)
  answer(identityOf('alice'))
  await settled()
  t.same(asked, ['close'])
  t.equal(wheel.due.size, 0)
  t.same(socket.sent, [])
})

t.test('a fault is reported and ends nothing else', async (t) => {
  const report = createTestReport()
  const { session } = openTestSession()
  refresh(createTestContext({ identify: asks(Promise.reject(new Error('bug'))), report }), session, FRAME)
  await settled()
  t.match(report.faults, [{ message: 'bug' }])
})

/** Answers each token when told to, in whatever order. */
function answerLater (context: { readonly known?: ReadonlyMap<string, Identity | Refusal> } = {}) {
  const answers = new Map<string, (who: Identity | Refusal) => void>()
  const identify: Identify = {
    now: token => context.known?.get(token ?? '') ?? null,
    wait: async token => await new Promise((resolve) => { answers.set(token ?? '', resolve) })
  }
  return { identify, answer: (token: string, who: Identity | Refusal) => { answers.get(token)?.(who) } }
}
const until = (expiresAtMs: number): Identity => identityOf('alice', {}, { expiresAtMs })
const OLD = until(NEW_END_MS - 2000)
const NEW = until(NEW_END_MS)

t.test('of two tokens the one that was sent last is in force, whichever check ends last', async (t) => {
  const known = new Map<string, Identity>()
  const { identify, answer } = answerLater({ known })
  const context = createTestContext({ identify, keepTokens: true })
  const { session, socket } = openTestSession('alice', { token: 'first' })
  refresh(context, session, { type: 'refresh', id: 'old', token: 'old' })
  refresh(context, session, { type: 'refresh', id: 'new', token: 'new' })
  known.set('new', NEW)
  answer('new', NEW)
  await settled()
  t.equal(session.token, 'first', 'it waits for its turn')
  answer('old', OLD)
  await settled()
  t.same(socket.frames().map(({ id }) => id), ['old', 'new'])
  t.equal(session.identity, NEW)
  t.equal(session.token, 'new')
  t.equal(session.refreshing, null)
})

t.test('a token known already does not overtake one that is being looked at', async (t) => {
  const known = new Map<string, Identity>([['new', NEW]])
  const { identify, answer } = answerLater({ known })
  const { session, socket } = openTestSession()
  const context = createTestContext({ identify })
  refresh(context, session, { type: 'refresh', id: 'old', token: 'old' })
  refresh(context, session, { type: 'refresh', id: 'new', token: 'new' })
  t.same(socket.sent, [])
  answer('old', refuse('unavailable'))
  await settled()
  t.match(socket.frames(), [{ type: 'error', id: 'old' }, { type: 'refreshed', id: 'new' }])
  t.equal(session.identity, NEW)
})

t.test('a token that is revoked while it waits for its turn ends the connection', async (t) => {
  const known = new Map<string, Identity | Refusal>([['new', NEW]])
  const { identify, answer } = answerLater({ known })
  const { session, socket } = openTestSession()
  const context = createTestContext({ identify })
  refresh(context, session, { type: 'refresh', id: 'old', token: 'old' })
  refresh(context, session, { type: 'refresh', id: 'new', token: 'new' })
  known.set('new', refuse('revoked'))
  answer('old', OLD)
  await settled()
  t.same(socket.ended, { code: 4401, reason: '{"error":"revoked"}' })
})

t.test('what is asked after a token waits for it, what was asked before does not', async (t) => {
  const { identify, answer } = answerLater()
  const { session } = openTestSession()
  const context = createTestContext({ identify })
  const seen: string[] = []
  const work = (name: string) => async (): Promise<void> => { seen.push(`${name} ${session.identity === NEW ? 'new' : 'old'}`) }
  workInOrder(session, context.report, work('before'))
  refresh(context, session, { type: 'refresh', token: 'new' })
  workInOrder(session, context.report, work('after'))
  await settled()
  t.same(seen, ['before old'])
  answer('new', NEW)
  await settled()
  t.same(seen, ['before old', 'after new'])
})
