import { createHook } from 'node:async_hooks'
import t from 'tap'
import type { Asked, Authorizer, Visible } from '../../src/access/authorizer.js'
import { createRefusalAnswerer } from '../../src/connection/answer-refusal.js'
import type { Identify } from '../../src/connection/identify.js'
import { createLifecycle, type Lifecycle } from '../../src/connection/lifecycle.js'
import type { LifecycleDeps } from '../../src/connection/lifecycle-deps.js'
import type { UpgradeHeaders } from '../../src/connection/transport.js'
import type { Admission, Admit, Lease, Resume } from '../../src/limits/limiter.js'
import { refuse } from '../../src/refusals.js'
import { identityOf } from '../access/identity-of.js'
import { offenders } from '../support/offenders.js'
import { until } from '../support/until.js'
import { createTestLimiter, createTestReport, createTestUpgrade, headOf, upgradeSettings, type TestReport, type TestUpgrade } from './stand-ins.js'

const ALICE = identityOf('alice')
const YES: Admission = { admitted: true }
const ADDRESS_FULL: Admission = { admitted: false, limit: 'address', retryAfterMs: 7000 }
const USER_FULL: Admission = { admitted: false, limit: 'user', retryAfterMs: 5000 }
const all = (asked: Asked): Visible => ({ agents: asked.agents === '*' ? [] : asked.agents, tasks: asked.tasks === '*' ? [] : asked.tasks })
const authorizer = (local: boolean, visible: Authorizer['visible'] = (_who, _token, asked) => all(asked)): Authorizer => ({ local, visible, forget: () => {}, close: async () => {} })
const knows = (who: ReturnType<Identify['now']>): Identify => ({ now: () => who, wait: async () => { if (who === null) throw new Error('unused'); return who } })

interface Bench {
  readonly lifecycle: Lifecycle
  readonly report: TestReport
  readonly admits: Admit[]
  readonly released: Lease[]
  readonly opened: string[]
  upgrade (query?: string, headers?: Partial<UpgradeHeaders>): TestUpgrade
}

interface BenchOptions extends Partial<Omit<LifecycleDeps, 'report'>> {
  readonly admit?: (request: Admit) => Admission | Promise<Admission>
}

/** A lifecycle in which everything says yes unless told otherwise. */
function setUp ({ admit = () => YES, ...more }: BenchOptions = {}): Bench {
  const report = createTestReport()
  const [admits, released, opened] = [[] as Admit[], [] as Lease[], [] as string[]]
  let connections = 0
  const lifecycle = createLifecycle({
    settings: upgradeSettings(),
    limiter: { ...createTestLimiter(released), admit: async (request) => { admits.push(request); return await admit(request) } },
    blockedForMs: () => 0,
    bannedForMs: () => 0,
    isExempt: () => false,
    judgePass: () => null,
    judgeTicket: () => refuse('invalid_token', { detail: 'ticket_format' }),
    rightsGeneration: () => 0,
    isRevoked: () => false,
    wasDisconnected: () => false,
    noteUserFull: () => {},
    identify: knows(ALICE),
    authorizer: authorizer(true),
    userIsFull: () => false,
    newConnectionId: () => `c${++connections}`,
    gate: () => null,
    dryRun: false,
    answerer: createRefusalAnswerer({ addressWindowMs: 60_000, maxLingering: 100 }),
    report,
    open: (_pending, { lease }) => { opened.push(lease.connectionId); return true },
    ...more
  })
  return {
    lifecycle,
    report,
    admits,
    released,
    opened,
    upgrade: (query = 'token=t', headers = {}) => {
      const upgrade = createTestUpgrade(headOf(query, headers))
      lifecycle.onUpgrade(upgrade)
      return upgrade
    }
  }
}

const nameIn = ({ answered }: TestUpgrade): unknown => answered === null ? null : (JSON.parse(answered.body) as { error: unknown }).error
async function outcome (bench: Bench, query?: string, headers?: Partial<UpgradeHeaders>): Promise<unknown> {
  const upgrade = bench.upgrade(query, headers)
  await until('it is decided', () => bench.lifecycle.pending === 0)
  return nameIn(upgrade) ?? (bench.opened.length > 0 ? 'open' : 'nothing')
}

t.test('an accepted upgrade asks the limits once for address and slot, and keeps its lease', async (t) => {
  const bench = setUp()
  t.equal(await outcome(bench, 'token=t&agent_ids=a1'), 'open')
  t.match(bench.admits, [{ address: '192.0.2.1', resume: null, lease: { owner: 'alice', connectionId: 'c1' } }])
  t.equal(bench.admits.length, 1)
  t.same(bench.released, [])
  t.same(bench.opened, ['c1'])
})

t.test('a known token\'s upgrade waits on two promises of its own: what the limits say, and what follows from it', async (t) => {
  const answer = Promise.resolve(YES)
  const bench = setUp({ limiter: { ...createTestLimiter(), admit: () => answer } })
  let made = 0
  const hook = createHook({ init: (_id, type) => { if (type === 'PROMISE') made++ } }).enable()
  bench.upgrade()
  hook.disable()
  t.equal(made, 2)
  await until('it is decided', () => bench.lifecycle.pending === 0)
  t.same(bench.opened, ['c1'])
})

t.test('with a database the address is asked for first, the slot last', async (t) => {
  const order: string[] = []
  const bench = setUp({
    admit: (request) => { order.push(request.address === null ? 'slot' : 'address'); return YES },
    authorizer: authorizer(false, async (_who, _token, asked) => { order.push('database'); return all(asked) })
  })
  t.equal(await outcome(bench, 'token=t&agent_ids=a1'), 'open')
  t.same(order, ['address', 'database', 'slot'])
  t.same(bench.admits.map(({ lease }) => lease !== null), [false, true])
})

t.test('no database and no issuer is asked for an address that is over its limit', async (t) => {
  const asked: string[] = []
  const database = setUp({ admit: () => ADDRESS_FULL, authorizer: authorizer(false, () => { asked.push('database'); return { agents: [], tasks: [] } }) })
  t.equal(await outcome(database, 'token=t&agent_ids=a1'), 'ip_rate_limited')
  const issuer = setUp({ admit: () => ADDRESS_FULL, identify: { now: () => null, wait: async () => { asked.push('issuer'); return ALICE } } })
  t.equal(await outcome(issuer), 'ip_rate_limited')
  t.same(asked, [])
})

/** Each makes one step say no; all steps before it say yes. In the order in which refusals are answered. */
const STEPS: ReadonlyArray<readonly [string, BenchOptions, string?, Partial<UpgradeHeaders>?]> = [
  ['bad_request', {}, 'token=t&agent_ids=,'],
  ['forbidden', {}, 'token=t', { origin: 'https://evil.example' }],
  ['banned', { bannedForMs: () => 9000 }],
  ['ip_rate_limited', { admit: () => ADDRESS_FULL }],
  ['invalid_token', { identify: knows(refuse('invalid_token')) }],
  ['forbidden', { authorizer: authorizer(true, () => ({ agents: [], tasks: [] })) }, 'token=t&agent_ids=a1'],
  ['user_connection_limit', { userIsFull: () => true }]
]

t.test('of several refusals the first in the order is answered', async (t) => {
  for (const [index, [expected, , query, headers]] of STEPS.entries()) {
    const later = STEPS.slice(index)
    const options = Object.assign({}, ...later.map(([, options]) => options).reverse()) as BenchOptions
    const queries = later.map(([, , query]) => query).filter(query => query !== undefined)
    const bench = setUp(options)
    t.equal(await outcome(bench, query ?? queries[0], headers ?? later.find(([, , , headers]) => headers !== undefined)?.[3]), expected, `step ${index + 1}`)
    t.equal(bench.admits.length, index < 3 ? 0 : 1, 'what is refused before the window does not count')
  }
})

t.test('an attempt with a bad token counts against the address, and takes no slot', async (t) => {
  const bench = setUp({ identify: knows(refuse('expired_token')) })
  t.equal(await outcome(bench), 'expired_token')
  t.same(bench.admits, [{ address: '192.0.2.1', resume: null, lease: null, own: null }])
})

t.test('a user known to be full here is refused without asking for a slot; the attempt counts', async (t) => {
  const bench = setUp({ userIsFull: () => true })
  t.equal(await outcome(bench), 'user_connection_limit')
  t.same(bench.admits, [{ address: '192.0.2.1', resume: null, lease: null, own: null }])
})

t.test('a user who is full elsewhere is refused by the store and holds nothing', async (t) => {
  const bench = setUp({ admit: ({ lease }) => lease === null ? YES : USER_FULL })
  t.equal(await outcome(bench), 'user_connection_limit')
  t.same(bench.released, [])
})

t.test('in dry run a limit that is over is written down and lets through', async (t) => {
  for (const [admission, name] of [[ADDRESS_FULL, 'ip_rate_limited'], [USER_FULL, 'user_connection_limit']] as const) {
    const bench = setUp({ dryRun: true, admit: () => admission })
    t.equal(await outcome(bench), 'open')
    t.same(bench.report.lines, [`would refuse ${name}`])
  }
})

t.test('an address known to be over is refused at once: no store, no token', async (t) => {
  const bench = setUp({ blockedForMs: () => 3000, identify: { now: () => { throw new Error('no crypto') }, wait: async () => ALICE } })
  const upgrade = bench.upgrade()
  t.match(upgrade.answered, { status: 429 })
  t.same(bench.admits, [])
  t.equal(bench.lifecycle.pending, 0)
})

t.test('an address on the allow list is exempt from window and block, not from the user\'s slots', async (t) => {
  const bench = setUp({ isExempt: () => true, blockedForMs: () => 3000, admit: ({ address }) => address === null ? YES : ADDRESS_FULL })
  t.equal(await outcome(bench), 'open')
  t.same(bench.admits.map(({ address, lease }) => [address, lease?.owner]), [[null, 'alice']])
})

t.test('anonymous slots count per address, under a name that no token can carry', async (t) => {
  const bench = setUp({ identify: knows({ ...identityOf('anonymous'), insecure: true }) })
  t.equal(await outcome(bench, ''), 'open')
  t.equal(bench.admits[0]?.lease?.owner, 'anonymous\u0000192.0.2.1')
})

t.test('while draining or overloaded nobody comes in and nothing is asked', async (t) => {
  const bench = setUp({ gate: () => refuse('restarting', { retryAfterMs: 1000 }) })
  t.match(bench.upgrade().answered, { status: 503 })
  t.same(bench.report.lines, ['refused restarting'])
  t.same(bench.admits, [])
})

t.test('so many upgrades wait at once, one more is turned away, and a place comes free', async (t) => {
  const answers: Array<(admission: Admission) => void> = []
  const bench = setUp({
    settings: upgradeSettings({ maxPending: 2 }), admit: async () => await new Promise<Admission>((resolve) => { answers.push(resolve) })
  })
  const comers = [bench.upgrade(), bench.upgrade(), bench.upgrade()]
  const turnedAway = (): number => comers.filter(comer => nameIn(comer) === 'overloaded').length
  // The last, at once; or on a machine that is late already one who waits, as the turn ends.
  await until('one is turned away', () => turnedAway() > 0)
  await until('both wait for the limits', () => answers.length === 2)
  for (const answer of answers) answer(YES)
  await until('both are decided', () => bench.lifecycle.pending === 0)
  t.same([bench.opened.length, turnedAway()], [2, 1])
})

t.test('an upgrade that is overdue is answered, and a lease that comes later is given back', async (t) => {
  let answer = (_admission: Admission): void => {}
  const bench = setUp({
    settings: upgradeSettings({ deadlineMs: 10 }), admit: async () => await new Promise<Admission>((resolve) => { answer = resolve })
  })
  t.equal(await outcome(bench), 'unavailable')
  t.same(bench.released, [])
  answer(YES)
  await until('the lease is back', () => bench.released.length === 1)
  t.same(bench.opened, [])
  t.same(bench.report.lines, ['refused unavailable'])
})

t.test('a client that leaves during any wait leaves no lease and no answer, and nothing further is asked', async (t) => {
  for (const at of ['window', 'issuer', 'database', 'slot'] as const) {
    let go = (): void => {}
    const reached: string[] = []
    const wait = async (where: string): Promise<void> => {
      reached.push(where)
      if (where === at) await new Promise<void>((resolve) => { go = resolve })
    }
    const bench = setUp({
      admit: async ({ lease }) => { await wait(lease === null ? 'window' : 'slot'); return YES },
      identify: { now: () => null, wait: async () => { await wait('issuer'); return ALICE } },
      authorizer: authorizer(false, async (_who, _token, asked) => { await wait('database'); return all(asked) })
    })
    const upgrade = bench.upgrade('token=t&agent_ids=a1')
    await until(`it waits for the ${at}`, () => reached.at(-1) === at)
    upgrade.onAborted?.()
    t.equal(bench.lifecycle.pending, 0, at)
    go()
    await new Promise<void>((resolve) => { setImmediate(resolve) })
    t.equal(upgrade.answered, null)
    t.same(bench.report.lines, ['aborted'])
    t.same(bench.opened, [])
    t.equal(bench.released.length, at === 'slot' ? 1 : 0)
    t.ok(reached.length <= ['window', 'issuer', 'database', 'slot'].indexOf(at) + (at === 'window' ? 2 : 1), `${at}: ${reached.join()}`)
  }
})

t.test('a client that is gone when all said yes gives its lease back', async (t) => {
  const bench = setUp({ open: () => false })
  t.equal(await outcome(bench), 'nothing')
  t.match(bench.released, [{ owner: 'alice', connectionId: 'c1' }])
  t.equal(bench.released.length, 1)
  t.same(bench.report.lines, ['aborted'])
})

t.test('a store or a database that is away is unavailable, and a lease it may have taken is given back', async (t) => {
  const store = setUp({ admit: async () => { throw new Error('away') } })
  t.equal(await outcome(store), 'unavailable')
  t.equal(store.released.length, 1)
  const database = setUp({ authorizer: authorizer(false, async () => { throw new Error('away') }) })
  t.equal(await outcome(database, 'token=t&agent_ids=a1'), 'unavailable')
  t.same(database.released, [])
})

t.test('a fault in a step answers that upgrade, is reported, and harms no other', async (t) => {
  let broken = true
  const bench = setUp({ userIsFull: () => { if (broken) throw new Error('bug'); return false } })
  t.equal(await outcome(bench), 'unavailable')
  t.match(bench.report.faults, [{ message: 'bug' }])
  broken = false
  t.equal(await outcome(bench), 'open')
})

t.test('who cannot read a status is told by close, but not of what only a status can say', async (t) => {
  const bench = setUp({ identify: knows(refuse('invalid_token')) })
  const upgrade = bench.upgrade('token=t&refuse=close')
  await until('it is decided', () => bench.lifecycle.pending === 0)
  t.match(upgrade.accepted?.socket.ended, { code: 4401 })
  t.equal(nameIn(bench.upgrade('refuse=nonsense')), 'bad_request')
})

t.test('an order that comes while an upgrade is under way counts in the turn that would open it', async (t) => {
  const cases: ReadonlyArray<readonly [string, Partial<LifecycleDeps>, number, string]> = [
    ['revoked', { isRevoked: () => true }, 401, 'revoked'],
    ['disconnected', { wasDisconnected: () => true }, 403, 'forbidden']
  ]
  for (const [what, deps, status, name] of cases) {
    const { upgrade, released, opened } = setUp(deps)
    const attempt = upgrade()
    await until('it is answered', () => attempt.answered !== null)
    t.match(attempt.answered, { status, body: new RegExp(name) }, what)
    t.equal(released.length, 1, 'the slot is given back')
    t.equal(opened.length, 0)
  }
})

t.test('a ban that comes while the slot is asked for refuses the upgrade', async (t) => {
  let banned = 0
  const { upgrade, released } = setUp({ bannedForMs: () => banned, admit: () => { banned = 60_000; return YES } })
  const attempt = upgrade()
  await until('it is answered', () => attempt.answered !== null)
  t.match(attempt.answered, { status: 403, body: /banned/ })
  t.equal(released.length, 1)
})

t.test('rights that change while the slot is asked for are asked for again, from no cache', async (t) => {
  let [changes, asked] = [0, 0]
  const { upgrade, released, opened } = setUp({
    rightsGeneration: () => changes,
    authorizer: authorizer(false, async (_who, _token, what, { fresh }) => {
      asked++
      t.equal(fresh, asked > 1)
      return asked > 1 ? { agents: [], tasks: [] } : all(what)
    }),
    admit: ({ lease }) => { if (lease !== null) changes++; return YES }
  })
  const attempt = upgrade('agent_ids=a1')
  await until('it is answered', () => attempt.answered !== null)
  t.match(attempt.answered, { status: 403, body: /forbidden/ })
  t.equal(released.length, 1)
  t.equal(opened.length, 0)
})

const RESUME: Resume = { nonce: 'n', ttlMs: 1000 }
const passOf = (userId: string): LifecycleDeps['judgePass'] => text => text === 'good' ? { resume: RESUME, isFor: who => who.userId === userId } : null

t.test('a genuine pass beside a verified token of its user goes with the one call, also from an address known to be over', async (t) => {
  const bench = setUp({ judgePass: passOf('alice'), blockedForMs: () => 9000 })
  t.equal(await outcome(bench, 'token=t&resume=good'), 'open')
  t.match(bench.admits, [{ address: '192.0.2.1', resume: RESUME, lease: { owner: 'alice' } }])
  t.equal(bench.admits.length, 1)
})

t.test('any other pass is as good as none, and costs no look at the token', async (t) => {
  const asked: unknown[] = []
  const identify: Identify = { now: (token) => { asked.push(token); return ALICE }, wait: async () => ALICE }
  const bench = setUp({ judgePass: passOf('alice'), blockedForMs: () => 9000, identify })
  t.same(await offenders(['garbage', '', '%'], async pass => await outcome(bench, `token=t&resume=${pass}`) === 'ip_rate_limited'), [])
  t.same(asked, [])
  t.same(bench.admits, [])
})

t.test('a pass of another user, or beside a bad token, is not spent and spares nothing', async (t) => {
  for (const options of [{ judgePass: passOf('bob') }, { judgePass: passOf('alice'), identify: knows(refuse('invalid_token')) }]) {
    const bench = setUp({ ...options, admit: () => ADDRESS_FULL })
    t.equal(await outcome(bench, 'token=t&resume=good'), 'ip_rate_limited')
    t.same(bench.admits.map(({ resume }) => resume), [null])
  }
})

t.test('with a pass the token is verified first, then the pass spent, and only then the database asked', async (t) => {
  const order: string[] = []
  const database = authorizer(false, async (_who, _token, asked) => { order.push('database'); return all(asked) })
  const identify: Identify = { now: () => null, wait: async () => { order.push('issuer'); return ALICE } }
  const admit = ({ address, resume, lease }: Admit): Admission => { order.push([address, resume?.nonce, lease?.owner].join(' ')); return YES }
  const bench = setUp({ judgePass: passOf('alice'), blockedForMs: () => 9000, authorizer: database, identify, admit })
  t.equal(await outcome(bench, 'token=t&agent_ids=a1&resume=good'), 'open')
  t.same(order, ['issuer', '192.0.2.1 n ', 'database', '  alice'])

  order.length = 0
  const spent = setUp({ judgePass: passOf('alice'), authorizer: database, identify, admit: (request) => { admit(request); return ADDRESS_FULL } })
  t.equal(await outcome(spent, 'token=t&agent_ids=a1&resume=good'), 'ip_rate_limited')
  t.same(order, ['issuer', '192.0.2.1 n '], 'spent already: the database is not asked')
})

t.test('a pass spares neither origin nor ban nor permissions nor the user\'s slots, and nothing on the allow list needs one', async (t) => {
  const judgePass = passOf('alice')
  t.equal(await outcome(setUp({ judgePass }), 'token=t&resume=good', { origin: 'https://evil.example' }), 'forbidden')
  t.equal(await outcome(setUp({ judgePass, bannedForMs: () => 9000 }), 'token=t&resume=good'), 'banned')
  t.equal(await outcome(setUp({ judgePass, authorizer: authorizer(true, () => ({ agents: [], tasks: [] })) }), 'token=t&agent_ids=a1&resume=good'), 'forbidden')
  t.equal(await outcome(setUp({ judgePass, admit: () => USER_FULL }), 'token=t&resume=good'), 'user_connection_limit')
  const exempt = setUp({ judgePass: () => { throw new Error('nobody should ask') }, isExempt: () => true })
  t.equal(await outcome(exempt, 'token=t&resume=good'), 'open')
})

t.test('a process that ends answers the upgrades under way', async (t) => {
  const { lifecycle, upgrade } = setUp({ admit: async () => await new Promise(() => {}) })
  const attempt = upgrade()
  lifecycle.refusePending({ name: 'restarting', message: 'bye', retryAfterMs: 1000 })
  t.match(attempt.answered, { status: 503, body: /restarting/ })
  t.equal(lifecycle.pending, 0)
})
