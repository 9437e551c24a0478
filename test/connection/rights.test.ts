import t, { type Test } from 'tap'
import type { Asked, Visible } from '../../src/access/authorizer.js'
import { createRights, type Rights } from '../../src/connection/rights.js'
import type { Session } from '../../src/connection/session.js'
import { identityOf } from '../access/identity-of.js'
import { until } from '../support/until.js'
import { openTestSession } from './stand-ins.js'

interface Check { readonly userId: string, readonly token: string, readonly asked: Asked, readonly fresh: boolean }
type Answer = (check: Check) => Visible | Promise<Visible>

interface Watched {
  readonly rights: Rights
  readonly checks: Check[]
  readonly withdrawn: Array<readonly [string, readonly string[]]>
  readonly unverifiable: Session[]
  readonly faults: unknown[]
  advance (ms: number): void
}

const everything = (asked: Asked): Visible => ({ agents: asked.agents === '*' ? [] : asked.agents, tasks: asked.tasks === '*' ? [] : asked.tasks })

/** Rights whose period only passes when the test says so. */
function watch (t: Test, answer: Answer = ({ asked }) => everything(asked), { local = false, periodMs = 60_000 } = {}): Watched {
  let nowMs = 0
  const checks: Check[] = []
  const withdrawn: Array<readonly [string, readonly string[]]> = []
  const [unverifiable, faults] = [[] as Session[], [] as unknown[]]
  const rights = createRights({
    authorizer: {
      local,
      visible: async (identity, token, asked, { fresh }) => {
        const check = { userId: identity.userId, token, asked, fresh }
        checks.push(check)
        return await answer(check)
      },
      forget: () => {},
      close: async () => {}
    },
    periodMs,
    onFault: (error) => { faults.push(error) },
    now: () => nowMs
  })
  rights.start({
    withdraw: (session, lost) => { withdrawn.push([session.connectionId, lost]) },
    unverifiable: (session) => { unverifiable.push(session) }
  })
  t.teardown(() => { rights.stop() })
  return { rights, checks, withdrawn, unverifiable, faults, advance: (ms) => { nowMs += ms } }
}

function listening (user: string, topics: readonly string[], claims: Record<string, unknown> = {}): Session {
  const { session } = openTestSession(identityOf(user, claims), { token: `token of ${user}` })
  for (const topic of topics) session.topics.add(topic)
  return session
}
const settled = async (): Promise<void> => { await new Promise<void>((resolve) => { setImmediate(resolve) }) }

t.test('connections of one claims set are asked about once, for all that any of them hears, and never from a cache', async (t) => {
  const { rights, checks } = watch(t)
  for (const topics of [['agent:a', 'user:alice'], ['agent:a', 'agent:b', 'user:alice'], ['task:t', 'user:alice']]) rights.add(listening('alice', topics))
  rights.add(listening('alice', ['agent:a'], { org: 'other' }))
  rights.add(listening('bob', ['agent:a']))
  rights.recheck(null)
  await until('all were asked about', () => checks.length >= 3)
  await settled()
  t.same(checks, [
    { userId: 'alice', token: 'token of alice', asked: { agents: ['a', 'b'], tasks: ['t'] }, fresh: true },
    { userId: 'bob', token: 'token of bob', asked: { agents: ['a'], tasks: [] }, fresh: true },
    { userId: 'alice', token: 'token of alice', asked: { agents: ['a'], tasks: [] }, fresh: true }
  ], 'one of each user at a time')
})

t.test('what may not be seen any more is withdrawn from each connection of the set; the own topic stays', async (t) => {
  const { rights, withdrawn } = watch(t, () => ({ agents: ['a'], tasks: [] }))
  const [one, two, bob] = [listening('alice', ['agent:a', 'agent:b', 'user:alice']), listening('alice', ['task:t']), listening('bob', ['agent:a'])]
  for (const session of [one, two, bob]) rights.add(session)
  rights.recheck(null)
  await until('it was withdrawn', () => withdrawn.length === 2)
  await settled()
  t.same(withdrawn, [[one.connectionId, ['agent:b', 'task:t']], [two.connectionId, ['agent:b', 'task:t']]])
})

t.test('every set is checked once in its first period, spread over its second half', async (t) => {
  const { rights, checks, advance } = watch(t, undefined, { periodMs: 1000 })
  for (let i = 0; i < 200; i++) rights.add(listening(`user${i}`, ['agent:a']))
  advance(750)
  await until('some are due', () => checks.length > 0)
  await settled()
  t.ok(checks.length > 20 && checks.length < 180, `${checks.length} of 200 at three quarters of the period`)
  advance(250)
  await until('all were checked', () => new Set(checks.map(check => check.userId)).size === 200)
  t.equal(checks.length, 200)
})

t.test('at most four checks run at once', async (t) => {
  let [running, most] = [0, 0]
  const { rights, checks } = watch(t, async ({ asked }) => {
    most = Math.max(most, ++running)
    await settled()
    running--
    return everything(asked)
  })
  for (let i = 0; i < 50; i++) rights.add(listening(`user${i}`, ['agent:a']))
  rights.recheck(null)
  await until('all were checked', () => checks.length === 50 && running === 0)
  t.equal(most, 4)
})

t.test('only the named user is checked when the back end names one', async (t) => {
  const { rights, checks } = watch(t)
  for (const user of ['alice', 'bob']) rights.add(listening(user, ['agent:a']))
  rights.recheck('bob')
  rights.recheck('nobody')
  await settled()
  t.same(checks.map(check => check.userId), ['bob'])
})

t.test('an order during a check is obeyed after it: that check may have read the old state', async (t) => {
  let finish = (): void => {}
  let allowed = ['a']
  const { rights, checks, withdrawn } = watch(t, async () => {
    const visible = { agents: allowed, tasks: [] }
    if (checks.length === 1) await new Promise<void>((resolve) => { finish = resolve })
    return visible
  })
  const session = listening('alice', ['agent:a'])
  rights.add(session)
  rights.recheck('alice')
  allowed = []
  for (let i = 0; i < 5; i++) rights.recheck('alice')
  t.equal(checks.length, 1)
  finish()
  await until('it was withdrawn', () => withdrawn.length > 0)
  t.equal(checks.length, 2, 'once more, not five times')
})

t.test('who listens to nothing is not asked about, and who closed neither', async (t) => {
  const { rights, checks } = watch(t)
  const gone = listening('bob', ['agent:a'])
  rights.add(listening('alice', ['user:alice']))
  rights.add(gone)
  rights.remove(gone)
  rights.remove(gone)
  rights.recheck(null)
  await settled()
  t.same(checks, [])
})

t.test('a connection that closed while its rights were checked is not told', async (t) => {
  let finish = (): void => {}
  const { rights, withdrawn } = watch(t, async () => {
    await new Promise<void>((resolve) => { finish = resolve })
    return { agents: [], tasks: [] }
  })
  const session = listening('alice', ['agent:a'])
  rights.add(session)
  rights.recheck(null)
  rights.remove(session)
  finish()
  await settled()
  t.same(withdrawn, [])
})

t.test('rights that nobody could verify for three periods end the connection, not before', async (t) => {
  let away = true
  const { rights, checks, unverifiable, faults, advance } = watch(t, ({ asked }) => {
    if (away) throw new Error('away')
    return everything(asked)
  })
  const session = listening('alice', ['agent:a'])
  rights.add(session)
  const recheckAfter = async (ms: number): Promise<void> => {
    const before = checks.length
    advance(ms)
    rights.recheck(null)
    await until('it was asked', () => checks.length > before)
    await settled()
  }
  await recheckAfter(180_000)
  t.same(unverifiable, [])
  away = false
  await recheckAfter(0)
  away = true
  await recheckAfter(180_000)
  t.same(unverifiable, [], 'an answer in between counts')
  await recheckAfter(1)
  t.same(unverifiable.map(({ connectionId }) => connectionId), [session.connectionId])
  t.same(faults, [])
})

t.test('a new token moves the connection to the set of its claims, and is checked at once', async (t) => {
  const { rights, checks } = watch(t)
  const session = listening('alice', ['agent:a'], { org: 'old' })
  rights.add(session)
  session.identity = identityOf('alice', { org: 'new' })
  rights.recheckSoon(session)
  await settled()
  t.equal(checks.length, 1)
  rights.recheck(null)
  await settled()
  t.equal(checks.length, 2, 'the old set is gone')
})

t.test('rights in the token are asked about only when it changes', async (t) => {
  const { rights, checks, withdrawn, advance } = watch(t, () => ({ agents: [], tasks: [] }), { local: true })
  const session = listening('alice', ['agent:a'])
  rights.add(session)
  advance(1_000_000)
  rights.recheck(null)
  await settled()
  t.equal(checks.length, 0)
  rights.recheckSoon(session)
  await until('it was withdrawn', () => withdrawn.length === 1)
})

/** Answers that come when the test says so, in the order of the questions. */
function holdAnswers (): { readonly answer: Answer, release (userId: string): void } {
  const held: Array<{ readonly userId: string, readonly resolve: () => void }> = []
  return {
    answer: async ({ userId, asked }) => {
      await new Promise<void>((resolve) => { held.push({ userId, resolve }) })
      return everything(asked)
    },
    release (userId) {
      const at = held.findIndex(check => check.userId === userId)
      held.splice(at, 1)[0]?.resolve()
    }
  }
}

t.test('a user with many claims sets, slow ones too, has one check at a time, and the others do not wait', async (t) => {
  const { answer } = holdAnswers()
  const { rights, checks } = watch(t, answer)
  for (let n = 0; n < 5; n++) rights.add(listening('eve', ['agent:a'], { n }))
  for (let n = 0; n < 3; n++) rights.add(listening(`user${n}`, ['agent:a']))
  rights.recheck(null)
  await settled()
  t.same(checks.map(check => check.userId), ['eve', 'user0', 'user1', 'user2'])
})

t.test('users whose checks were slow have two at a time together', async (t) => {
  const { answer, release } = holdAnswers()
  const { rights, checks, advance } = watch(t, answer)
  for (let n = 0; n < 4; n++) rights.add(listening(`slow${n}`, ['agent:a']))
  rights.recheck(null)
  await settled()
  advance(1000)
  for (let n = 0; n < 4; n++) release(`slow${n}`)
  await settled()
  t.equal(checks.length, 4)
  for (let n = 0; n < 4; n++) rights.recheck(`slow${n}`)
  for (let n = 0; n < 2; n++) {
    rights.add(listening(`user${n}`, ['agent:a']))
    rights.recheck(`user${n}`)
  }
  await settled()
  t.same(checks.slice(4).map(check => check.userId), ['slow0', 'slow1', 'user0', 'user1'])
})

t.test('what somebody said has changed does not wait behind all that are only due, nor the other way round', async (t) => {
  const { answer, release } = holdAnswers()
  const { rights, checks } = watch(t, answer)
  for (let n = 0; n < 20; n++) rights.add(listening(`user${n}`, ['agent:a']))
  rights.recheck(null)
  await settled()
  for (const n of [10, 11, 12]) rights.recheck(`user${n}`)
  for (let n = 0; n < 4; n++) release(`user${n}`)
  await settled()
  const next = checks.slice(4).map(check => check.userId)
  t.equal(next.filter(user => ['user10', 'user11', 'user12'].includes(user)).length, 2, next.join())
  t.equal(next.length, 4)
})

t.test('a recheck of one user makes no answer about another one out of date, and forgets nothing of others', async (t) => {
  const forgotten: Array<string | null> = []
  const rights = createRights({
    authorizer: {
      local: false,
      visible: (_who, _token, asked) => everything(asked),
      forget: (userId) => { forgotten.push(userId) },
      close: async () => {}
    },
    periodMs: 60_000,
    onFault: () => {}
  })
  t.teardown(() => { rights.stop() })
  const [alice, bob] = [rights.generationOf('alice'), rights.generationOf('bob')]
  for (let n = 0; n < 250; n++) rights.recheck(`user${n}`)
  rights.recheck('bob')
  t.equal(rights.generationOf('alice'), alice)
  t.not(rights.generationOf('bob'), bob)
  t.notOk(forgotten.includes('alice') || forgotten.includes(null))
  rights.recheck(null)
  t.not(rights.generationOf('alice'), alice)
})

t.test('orders for one user within a second are one: asked once more at its end, forgotten each time', async (t) => {
  let forgotten = 0
  const checks: string[] = []
  const rights = createRights({
    authorizer: {
      local: false,
      visible: async ({ userId }, _token, asked) => { checks.push(userId); return everything(asked) },
      forget: () => { forgotten++ },
      close: async () => {}
    },
    periodMs: 60_000,
    onFault: () => {},
    spacingMs: 30
  })
  t.teardown(() => { rights.stop() })
  rights.add(listening('alice', ['agent:a']))
  // All in one turn of the event loop: however busy the machine is, no time passes in between.
  rights.recheck('alice')
  const generation = rights.generationOf('alice')
  for (let n = 0; n < 50; n++) rights.recheck('alice')
  t.equal(rights.generationOf('alice'), generation, 'answers on their way are not made void fifty times')
  t.equal(forgotten, 51)
  t.equal(checks.length, 1)
  await until('the rest was obeyed', () => checks.length > 1)
  t.not(rights.generationOf('alice'), generation)
  await settled()
  t.equal(checks.length, 2)
})

t.test('when nothing that was granted counts any more, every connection that hears something ends', async (t) => {
  const { rights, unverifiable } = watch(t)
  const [one, two, idle] = [listening('alice', ['agent:a', 'user:alice']), listening('bob', ['task:t']), listening('carol', ['user:carol'])]
  for (const session of [one, two, idle]) rights.add(session)
  const before = rights.generationOf('carol')
  rights.endAll()
  t.same(unverifiable.map(({ connectionId }) => connectionId), [one.connectionId, two.connectionId])
  t.not(rights.generationOf('carol'), before, 'what is on its way counts no more')
})
