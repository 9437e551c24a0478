import t from 'tap'
import { judgeReadiness, type ReadinessFacts } from '../../src/gateway/readiness.js'

function issuer (name: string, tried: boolean, usable: boolean) {
  return { name, tried, usable, ageS: usable ? 1 : null, fetches: { ok: Number(usable), failed: 0 } }
}

const READY: ReadinessFacts = {
  started: true, draining: false, issuers: [issuer('a', true, true)], redisMissing: false, rightsMissing: false, channelMissing: false, accessUnsafe: false, doorShut: false
}

t.test('ready when started, not draining, all issuers tried and one usable', async (t) => {
  t.same(judgeReadiness(READY), { ready: true, reasons: [], issuersWithoutKeys: [] })
  const oneAway = { ...READY, issuers: [issuer('a', true, true), issuer('b', true, false)] }
  t.same(judgeReadiness(oneAway), { ready: true, reasons: [], issuersWithoutKeys: ['b'] })
})

t.test('each reason not to be ready is named', async (t) => {
  const cases: Array<[Partial<ReadinessFacts>, string[]]> = [
    [{ started: false }, ['starting']],
    [{ draining: true }, ['draining']],
    [{ redisMissing: true }, ['redis']],
    [{ rightsMissing: true }, ['redis_rights']],
    [{ channelMissing: true }, ['control_channel']],
    [{ accessUnsafe: true }, ['access_unsafe']],
    [{ doorShut: true }, ['descriptors']],
    [{ issuers: [issuer('a', true, true), issuer('b', false, false)] }, ['starting']],
    [{ issuers: [issuer('a', true, false), issuer('b', true, false)] }, ['no_issuer_keys']],
    [{ draining: true, redisMissing: true, issuers: [issuer('a', true, false)] }, ['draining', 'no_issuer_keys', 'redis']]
  ]
  for (const [facts, reasons] of cases) {
    const { ready, reasons: found } = judgeReadiness({ ...READY, ...facts })
    t.equal(ready, false)
    t.same(found, reasons)
  }
})
