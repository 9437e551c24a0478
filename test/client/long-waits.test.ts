import t from 'tap'
import { MAX_TIMER_MS, SYSTEM_CLOCK } from '../../packages/client/src/clock.js'
import { createPause } from '../../packages/client/src/pause.js'
import { RetryClock } from '../../packages/client/src/retry-clock.js'
import { offenders } from '../support/offenders.js'

const TOLD = [MAX_TIMER_MS + 1, 31_536_000_000, 1e15, Infinity]

t.test('no wait that a gateway tells is longer than a timer takes, which would fire at once', async (t) => {
  const warnings: string[] = []
  const listen = ({ name }: Error): void => { warnings.push(name) }
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  const ended = new AbortController()
  const pause = createPause(SYSTEM_CLOCK, ended.signal)
  const pauses = TOLD.map(async (ms) => { await pause(ms) })
  const wrong = await offenders(TOLD, (retryAfterMs) => {
    const clock = new RetryClock({ backoff: { baseMs: 1000, capMs: 30_000 }, stableMs: 10_000, clock: SYSTEM_CLOCK })
    clock.told(retryAfterMs)
    const delayMs = clock.nextDelayMs({ name: 'restarting', code: 1012, reconnect: 'with back-off', retryAfterMs })
    return delayMs === MAX_TIMER_MS && clock.onlineDelayMs() === MAX_TIMER_MS
  })
  t.same(wrong, [])
  ended.abort()
  await Promise.all(pauses)
  // Node warns of a timer that does not fit in the tick after it was made.
  await new Promise<void>((resolve) => { setImmediate(resolve) })
  t.same(warnings, [])
})
