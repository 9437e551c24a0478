import t from 'tap'
import type { ClientAddress } from '../../src/address/client-address.js'
import type { CarriedOut } from '../../src/issuer-word/carry-out.js'
import { createHearing, type Heard, type HearingDeps } from '../../src/issuer-word/hearing.js'
import type { JudgedStatement } from '../../src/tokens/statement.js'
import { createTestTimers } from '../support/test-timers.js'
import { createSigner } from '../tokens/statement-fixture.js'

interface Statement { readonly id: string }

const FROM: ClientAddress = { ip: '192.0.2.1', key: '192.0.2.1' }

/** Work goes on as far as it can without time passing. */
async function settle (): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve()
}

/**
 * A hearing whose time is the test's. Statements are `good`, `bad`, or name a key, which is at hand once `known` has it, and count until
 * `lifeMs` from now; fetches of keys end when the test says so.
 */
function setStage (more: Partial<HearingDeps<Statement>> = {}, lifeMs = Infinity) {
  const timers = createTestTimers()
  const { keys } = createSigner()
  const fetches = { ok: 0, failed: 0 }
  const known = new Set<string>()
  const told: string[] = []
  let charged = 0
  let hurried = 0
  let endFetch: (() => void) | null = null
  let askedForAtMs = -Infinity
  const endsAtMs = timers.now() + lifeMs
  const source = {
    ...keys.source,
    status: () => ({ name: 'main', tried: true, usable: true, ageS: 0, fetches }),
    hurry: async () => { hurried++; await new Promise<void>((resolve) => { endFetch = resolve }) },
    refresh: () => null,
    isFrom: (sinceMs: number) => askedForAtMs >= sinceMs
  }
  const issuer = { ...keys, source }
  const judge = (token: string, nowMs: number): JudgedStatement<Statement> => {
    if (token === 'bad') return { kind: 'fault', issuer: keys.config, fault: { fault: 'events' } }
    if (nowMs >= endsAtMs) return { kind: 'fault', issuer: keys.config, fault: { fault: 'expired' } }
    return token === 'good' || known.has(token) ? { kind: 'good', issuer: keys.config, statement: { id: token } } : { kind: 'no_key', keys: issuer }
  }
  const hearing = createHearing<Statement>({
    judge,
    interpret: ({ id }) => ({ id, orders: [], aside: null }),
    carryOut: async () => 'kept',
    charge: async () => { charged++; return 0 },
    report: {
      heard: (_address, _issuer, { id }, carriedOut) => { told.push(`heard ${id} ${carriedOut}`) },
      refused: (_address, _issuer, { fault }) => { told.push(`refused ${fault}`) },
      kept: () => { told.push('kept') }
    },
    now: timers.now,
    timers,
    ...more
  })
  return {
    hearing,
    timers,
    told,
    known,
    charged: () => charged,
    hurried: () => hurried,
    /** The keys came that were asked for then, with those that are `known`; or none could be had. */
    async fetched (ok = true, askedAtMs = timers.now()) {
      if (ok) {
        fetches.ok++
        askedForAtMs = askedAtMs
      } else fetches.failed++
      endFetch?.()
      await settle()
    },
    /** What it answers, or that it has not answered yet. */
    hear (token: string) {
      let heard: Heard | 'nothing yet' = 'nothing yet'
      void hearing.hear(token, FROM).then((answer) => { heard = answer })
      return async (): Promise<Heard | 'nothing yet'> => { await settle(); return heard }
    }
  }
}

t.test('what is good is done and costs nothing, what is bad costs its address an attempt', async (t) => {
  const stage = setStage()
  t.same(await stage.hear('good')(), { kind: 'done' })
  t.equal(stage.charged(), 0)
  t.same(await stage.hear('bad')(), { kind: 'refused', fault: 'events' })
  t.equal(stage.charged(), 1)
  t.same([stage.told, stage.hurried()], [['heard good kept', 'refused events'], 0])
  const over = setStage({ charge: async () => 5000 })
  t.same(await over.hear('bad')(), { kind: 'limited', retryAfterMs: 5000 })
  t.same(await over.hear('good')(), { kind: 'done' }, 'a good one is heard from any address')
})

t.test('what could not be kept is told as that', async (t) => {
  t.same(await setStage({ carryOut: async () => 'held' }).hear('good')(), { kind: 'later' })
})

t.test('whatever hangs, it is answered within a second, and done all the same', async (t) => {
  let finish: (carriedOut: CarriedOut) => void = () => {}
  const { hear, timers, told } = setStage({ carryOut: async () => await new Promise((resolve) => { finish = resolve }) })
  const answer = hear('good')
  timers.advance(500)
  t.equal(await answer(), 'nothing yet')
  timers.advance(400)
  t.same(await answer(), { kind: 'later' })
  finish('kept')
  await settle()
  t.same(told, ['heard good kept'])
})

t.test('of a key that is not at hand the issuer is asked at once, and the statement judged by what comes', async (t) => {
  const { hear, known, fetched, hurried } = setStage()
  const answer = hear('k1')
  t.same([await answer(), hurried()], ['nothing yet', 1])
  known.add('k1')
  await fetched()
  t.same(await answer(), { kind: 'done' })
})

t.test('a key that does not come in time leaves it kept, and it counts as soon as the key is there', async (t) => {
  const { hear, hearing, timers, known, fetched, told, charged } = setStage()
  const answer = hear('k1')
  await settle()
  timers.advance(449)
  t.equal(await answer(), 'nothing yet')
  timers.advance(1)
  t.same([await answer(), hearing.waiting, told, charged()], [{ kind: 'later' }, 1, ['kept'], 0])
  known.add('k1')
  await fetched()
  t.same([hearing.waiting, told], [0, ['kept', 'heard k1 kept']])
})

t.test('a key that fresh keys do not have is unknown: it costs an attempt, and counts all the same should it come later', async (t) => {
  const { hear, hearing, timers, known, fetched, told, charged } = setStage()
  const answer = hear('k1')
  await settle()
  await fetched()
  t.same([await answer(), hearing.waiting, charged()], [{ kind: 'refused', fault: 'unknown_key' }, 1, 1])
  known.add('k1')
  await fetched()
  timers.advance(1000)
  await settle()
  t.same([hearing.waiting, told, charged()], [0, ['refused unknown_key', 'heard k1 kept'], 1])
})

t.test('what was told in time counts, though it has ended when its key comes', async (t) => {
  const { hear, timers, known, fetched, told } = setStage({}, 120_000)
  const answer = hear('k1')
  await settle()
  await fetched(false)
  t.same(await answer(), { kind: 'later' })
  timers.advance(200_000)
  known.add('k1')
  await fetched()
  timers.advance(1000)
  await settle()
  t.same(told, ['kept', 'heard k1 kept'])
  t.same(await hear('k1')(), { kind: 'refused', fault: 'expired' }, 'what comes after its end does not')
})

t.test('keys that were asked for before it came do not make its own unknown: it is kept, and costs nothing', async (t) => {
  const { hear, hearing, timers, known, fetched, told, charged } = setStage()
  const underWaySinceMs = timers.now()
  timers.advance(10)
  const answer = hear('k1')
  await settle()
  await fetched(true, underWaySinceMs)
  t.same([await answer(), hearing.waiting, charged(), told], [{ kind: 'later' }, 1, 0, ['kept']])
  timers.advance(1000)
  await fetched(true, underWaySinceMs)
  t.same([hearing.waiting, charged()], [1, 0], 'nor when it is looked at again')
  timers.advance(1000)
  known.add('k1')
  await fetched()
  timers.advance(1000)
  await settle()
  t.same([hearing.waiting, told], [0, ['kept', 'heard k1 kept']])
})

t.test('an issuer that is away costs nobody an attempt', async (t) => {
  const { hear, hearing, fetched, told, charged } = setStage()
  const answer = hear('k1')
  await settle()
  await fetched(false)
  t.same([await answer(), hearing.waiting, charged(), told], [{ kind: 'later' }, 1, 0, ['kept']])
  hearing.close()
  t.same(told, ['kept', 'refused unheard'])
})
