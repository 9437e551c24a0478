import t from 'tap'
import type { Session } from '../../src/connection/session.js'
import { createTokenWatch, type TokenWatch } from '../../src/connection/token-watch.js'
import type { DeskAnswer } from '../../src/tokens/introspection-desk.js'
import { identityOf } from '../access/identity-of.js'
import { createTestTimers, type TestTimers } from '../support/test-timers.js'
import { openTestSession } from './stand-ins.js'

const COUNTS_MS = 30_000
const AWAY_MS = 100_000
type Word = 'active' | 'inactive' | 'away' | 'busy'

interface Started {
  readonly watch: TokenWatch
  readonly timers: TestTimers
  /** When each token was asked about. */
  readonly asked: Array<{ readonly token: string, readonly atMs: number }>
  readonly ended: string[]
  readonly late: number[]
  /** What the issuer says from now on; of `token` alone, or of all. */
  say (word: Word, token?: string): void
  /** Lets time pass, and answers arrive. */
  pass (ms: number): Promise<void>
  open (token: string, more?: { readonly issuer?: string, readonly insecure?: boolean }): Session
}

function start (random = () => 0.5, knownMs: number | null = 0): Started {
  const timers = createTestTimers()
  const words = new Map<string, Word>()
  const asked: Started['asked'] = []
  const ended: string[] = []
  const late: number[] = []
  const names = new Map<Session, string>()
  const startedMs = timers.now()
  const watch = createTokenWatch({
    standing: {
      countsMs: COUNTS_MS,
      covers: issuer => issuer === 'kc',
      askedAtMs: () => knownMs === null ? null : startedMs + knownMs,
      async ask (token): Promise<DeskAnswer> {
        const askedAtMs = timers.now()
        asked.push({ token, atMs: askedAtMs - startedMs })
        const word = words.get(token) ?? words.get('') ?? 'active'
        if (word === 'active' || word === 'inactive') return { kind: word, askedAtMs }
        return { kind: 'failed', fault: word === 'busy' ? 'busy' : 'timeout', detail: null }
      }
    },
    maxAwayMs: AWAY_MS,
    onInactive: (session) => { ended.push(`${names.get(session)} inactive`) },
    onAway: (session) => { ended.push(`${names.get(session)} away`) },
    onLate: (lateMs) => { late.push(lateMs) },
    now: timers.now,
    timers,
    random
  })
  watch.start()
  return {
    watch,
    timers,
    asked,
    ended,
    late,
    say: (word, token = '') => { words.set(token, word) },
    async pass (ms) {
      for (let passedMs = 0; passedMs < ms; passedMs += 500) {
        timers.advance(500)
        for (let i = 0; i < 5; i++) await Promise.resolve()
      }
    },
    open (token, { issuer = 'kc', insecure = false } = {}) {
      const { session } = openTestSession(identityOf('alice', {}, { issuer, insecure }))
      names.set(session, token)
      watch.hold(session, token)
      return session
    }
  }
}

t.test('each token is asked about again before its answer has outlived its time, at whatever moment of the draw', async (t) => {
  for (const random of [0, 0.5, 0.999]) {
    const { asked, late, watch, open, pass } = start(() => random)
    open('token')
    await pass(10 * COUNTS_MS)
    t.ok(asked.length >= 10)
    t.same(asked.filter(({ atMs }, i) => atMs - (asked[i - 1]?.atMs ?? 0) > COUNTS_MS * 0.95), [])
    t.same([late, watch.lateMs()], [[], 0])
  }
})

t.test('one question serves all connections with one token, and two tokens of one user are two', async (t) => {
  const { asked, open, pass } = start()
  for (let i = 0; i < 100; i++) open('one')
  open('two')
  await pass(COUNTS_MS * 0.75)
  t.same(asked.map(({ token }) => token).toSorted(), ['one', 'two'])
})

t.test('connections that came together are asked about one after the other', async (t) => {
  const { asked, open, pass } = start(Math.random)
  for (let i = 0; i < 1000; i++) open(`token ${i}`)
  await pass(COUNTS_MS)
  const perSecond = new Map<number, number>()
  for (const { atMs } of asked.slice(0, 1000)) perSecond.set(Math.floor(atMs / 3000), (perSecond.get(Math.floor(atMs / 3000)) ?? 0) + 1)
  t.ok(Math.max(...perSecond.values()) < 350)
})

t.test('a token that its issuer calls inactive ends each of its connections, and no other', async (t) => {
  const { ended, say, open, pass } = start()
  open('gone')
  open('gone')
  open('stays')
  say('inactive', 'gone')
  await pass(COUNTS_MS)
  t.same(ended, ['gone inactive', 'gone inactive'])
})

t.test('one that opens with a token as its connections end is asked about too, and outlasts none of them', async (t) => {
  const { ended, watch, say, open, pass } = start()
  const first = open('gone')
  say('inactive')
  await pass(COUNTS_MS)
  open('gone')
  watch.letGo(first)
  await pass(COUNTS_MS)
  t.same(ended, ['gone inactive', 'gone inactive'])
})

t.test('a token of which the process does not know when it was asked about is asked about at once', async (t) => {
  const { asked, open, pass } = start(() => 0.5, null)
  open('unknown')
  await pass(2000)
  t.equal(asked.length, 1)
})

t.test('a refresh moves the connection to its new token; the old one is asked about no more', async (t) => {
  const { asked, ended, watch, say, open, pass } = start()
  const session = open('old')
  watch.hold(session, 'new')
  say('inactive', 'old')
  await pass(3 * COUNTS_MS)
  t.same([...new Set(asked.map(({ token }) => token))], ['new'])
  t.same(ended, [])
})

t.test('nobody is asked about tokens of other issuers, of no token at all, and of connections that have ended', async (t) => {
  const { asked, watch, open, pass } = start()
  open('other', { issuer: 'supabase' })
  open('', { insecure: true })
  watch.letGo(open('ended'))
  await pass(3 * COUNTS_MS)
  t.same(asked, [])
})

t.test('while the issuer is away connections stay for the time allowed, counted from the first question without an answer', async (t) => {
  const { asked, ended, say, open, pass } = start()
  open('token')
  await pass(10_000)
  say('away')
  await pass(COUNTS_MS)
  const awaySinceMs = asked[0]?.atMs ?? NaN
  await pass(AWAY_MS - COUNTS_MS - 10_000)
  t.same(ended, [])
  say('active')
  await pass(COUNTS_MS)
  say('away')
  await pass(AWAY_MS - COUNTS_MS)
  t.same(ended, [], 'an answer in between counts')
  await pass(2 * COUNTS_MS)
  t.same(ended, ['token away'])
  t.ok(awaySinceMs < COUNTS_MS)
})

t.test('where questions are too few the period stretches: it is told by how much, and nobody is ended', async (t) => {
  const { ended, late, watch, say, open, pass } = start()
  open('token')
  say('busy')
  await pass(COUNTS_MS + 10_000)
  t.ok(watch.lateMs() >= 9000 && watch.lateMs() <= 11_000)
  t.ok(Math.max(...late) >= 8000)
  await pass(5 * AWAY_MS)
  t.same(ended, [])
  say('active')
  await pass(COUNTS_MS)
  t.equal(watch.lateMs(), 0)
})

t.test('after the stop nobody is asked', async (t) => {
  const { asked, watch, open, pass } = start()
  open('token')
  watch.stop()
  await pass(COUNTS_MS)
  t.same(asked, [])
})
