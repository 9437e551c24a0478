import t from 'tap'
import { createFetchJson } from '../../src/tokens/fetch-json.js'
import { Haste } from '../../src/tokens/haste.js'
import { createSender, DIRECT } from '../../src/tokens/issuer-route.js'
import { createKeySource } from '../../src/tokens/jwks.js'
import { startIssuer } from '../support/issuer.js'
import { createClock } from './fixture.js'

t.test('keys are hurried for at most once in 5 s, also by a clock that is set back', async (t) => {
  let nowMs = 1_000_000
  const haste = new Haste(() => nowMs)
  t.same([haste.mayBegin(), haste.mayBegin()], [true, false])
  nowMs += 4999
  t.equal(haste.mayBegin(), false)
  nowMs += 1
  t.same([haste.mayBegin(), haste.mayBegin()], [true, false])
  nowMs -= 60_000
  t.same([haste.mayBegin(), haste.mayBegin()], [true, false])
})

t.test('what an issuer says once has its keys fetched within the cooldown, and not twice in 5 s, whoever asks', async (t) => {
  const issuer = await startIssuer(t, { algorithm: 'ES256' })
  const clock = createClock()
  clock.freeze()
  const source = createKeySource({
    issuer: issuer.config(),
    settings: { maxAgeMs: 600_000, cooldownMs: 30_000, maxStaleMs: 3_600_000, timeoutMs: 60_000 },
    fetchJson: createFetchJson(createSender(DIRECT)),
    now: clock.now,
    onRefreshed: () => {},
    onFailed: () => {}
  })
  t.teardown(source.close)
  await source.refresh()
  t.equal(source.refresh(), null, 'the cooldown')
  const hurried = source.hurry()
  t.equal(source.hurry(), hurried, 'who comes meanwhile joins')
  await hurried
  t.same([source.hurry(), issuer.requests.jwks], [null, 2])
  clock.advance(4999)
  t.equal(source.hurry(), null)
  clock.advance(1)
  await source.hurry()
  t.equal(issuer.requests.jwks, 3)
})
