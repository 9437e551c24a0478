import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { SYSTEM_CLOCK } from '../../packages/client/src/clock.js'
import { createTokenLife } from '../../packages/client/src/token-life.js'
import { createTokenRefresh } from '../../packages/client/src/token-refresh.js'

const STEP_MS = 500
const HOUR_MS = 3_600_000
/** The gateway's clock as the connection opens: an hour behind that of this machine. */
const GATEWAY_MS = Date.now() - HOUR_MS
const iso = (ms: number): string => new Date(ms).toISOString()
const encode = (claims: object): string => Buffer.from(JSON.stringify(claims)).toString('base64url')
/** A token that lives for `lifeS`; `n` tells it from others. */
const tokenOf = (lifeS: number, n = 0): string => `e30.${encode({ iat: 1000, exp: 1000 + lifeS, n, name: 'Zoë?>~' })}.c2ln`

t.test('what is left of a token is told by the gateway\'s clock and by time that has passed', async (t) => {
  let nowMs = 50
  const life = createTokenLife(iso(GATEWAY_MS), () => nowMs)
  t.equal(life.leftMs('a.b.c', iso(GATEWAY_MS + 300_000)), 300_000)
  nowMs += 100_000
  t.equal(life.leftMs('a.b.c', iso(GATEWAY_MS + 300_000)), 200_000)
  nowMs += 300_000
  t.equal(life.leftMs('a.b.c', iso(GATEWAY_MS + 300_000)), -100_000)
})

t.test('where the gateway tells no time, a token counts as new; one that cannot be read tells nothing', async (t) => {
  for (const time of [undefined, 'no time']) {
    const life = createTokenLife(time, () => 0)
    t.equal(life.leftMs(tokenOf(300), iso(Date.now())), 300_000)
    t.same(['a.b.c', 'x', `e30.${encode({ exp: 1 })}.x`].map(token => life.leftMs(token, iso(Date.now()))), [null, null, null])
  }
})

interface Session {
  /** When tokens were asked for, in ms from the start. */
  readonly askedAtMs: number[]
  /** Lets time pass in steps, on the monotonic clock alone. */
  pass (ms: number): Promise<void>
  warn (expiresAt: string): void
}

/** A connection of whose tokens each lives for `lifeMs` by the gateway's clock; `tells`: its `welcome` has `time`. */
function openSession (t: Test, lifeMs: number, tells = true, beforeMs = 60_000): Session {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => { mock.timers.reset() })
  let nowMs = 0
  let n = 0
  const askedAtMs: number[] = []
  const expiresAt = (): string => iso(GATEWAY_MS + nowMs + lifeMs)
  const refresh = createTokenRefresh({
    token: tokenOf(lifeMs / 1000),
    time: tells ? iso(GATEWAY_MS) : undefined,
    beforeMs,
    ask: async () => {
      askedAtMs.push(nowMs)
      return tokenOf(lifeMs / 1000, ++n)
    },
    present: async () => expiresAt(),
    onToken: () => {},
    onSignedOut: () => {},
    clock: { ...SYSTEM_CLOCK, now: () => nowMs }
  })
  refresh.start(expiresAt())
  t.teardown(refresh.stop)
  return {
    askedAtMs,
    warn: refresh.warn,
    async pass (ms) {
      for (let step = 0; step < ms / STEP_MS; step++) {
        nowMs += STEP_MS
        mock.timers.tick(STEP_MS)
        for (let turn = 0; turn < 10; turn++) await Promise.resolve()
      }
    }
  }
}

t.test('a clock that is wrong by any time asks for no token sooner or later', async (t) => {
  for (const tells of [true, false]) {
    const { askedAtMs, pass } = openSession(t, 300_000, tells)
    await pass(900_000)
    t.same(askedAtMs, [240_000, 480_000, 720_000], tells ? 'by the gateway\'s time' : 'by the life of the token')
    mock.timers.reset()
  }
})

t.test('a token of seconds is replaced at half of its life, warned or not', async (t) => {
  const { askedAtMs, pass, warn } = openSession(t, 10_000)
  warn(iso(GATEWAY_MS + 10_000))
  await pass(20_000)
  t.same(askedAtMs, [5000, 10_000, 15_000, 20_000])
})

t.test('a source whose tokens are over as they come is asked ever more seldom, however often the gateway warns', async (t) => {
  const { askedAtMs, pass, warn } = openSession(t, -2000)
  for (let second = 0; second < 120; second++) {
    warn(iso(GATEWAY_MS + second * 1000 - 2000))
    await pass(1000)
  }
  t.ok(askedAtMs.length >= 5 && askedAtMs.length <= 9, `${askedAtMs.length} times in two minutes`)
})

t.test('a warning counts where a token turns out to be older than it was taken for', async (t) => {
  const { askedAtMs, pass, warn } = openSession(t, 300_000, false)
  await pass(5000)
  warn(iso(GATEWAY_MS))
  await pass(16_000)
  t.same(askedAtMs, [20_000], 'at half of the 30 s that are left when a gateway warns')
})
