import t from 'tap'
import { AccessError } from '../../src/access/access-error.js'
import { createBreaker, type Breaker } from '../../src/access/breaker.js'

let nowMs = 0
const fail = async (): Promise<never> => { throw new Error('away') }
const succeed = async (): Promise<string> => 'ok'
const OPEN = { name: 'AccessError', message: 'the back end is away; not asked again yet' }

async function createOpen (): Promise<Breaker> {
  const breaker = createBreaker({ failures: 3, openMs: 1000, now: () => nowMs })
  for (let failure = 0; failure < 3; failure++) await breaker.run(fail).catch(() => {})
  return breaker
}

t.test('it opens after so many failures in a row, not before', async (t) => {
  const breaker = createBreaker({ failures: 3, openMs: 1000, now: () => nowMs })
  for (const work of [fail, fail, succeed, fail, fail]) await breaker.run<string>(work).catch(() => {})
  t.equal(await breaker.run(succeed), 'ok')
  for (const work of [fail, fail, fail]) await t.rejects(breaker.run(work), { message: 'away' })
  await t.rejects(breaker.run(succeed), OPEN)
})

t.test('one probe is let through after the pause, the others are not; its success closes it', async (t) => {
  const breaker = await createOpen()
  nowMs += 999
  await t.rejects(breaker.run(succeed), OPEN)
  nowMs += 1
  let answer = (): void => {}
  const probe = breaker.run(() => new Promise<string>((resolve) => { answer = () => { resolve('back') } }))
  await t.rejects(breaker.run(succeed), OPEN)
  answer()
  t.equal(await probe, 'back')
  t.equal(await breaker.run(succeed), 'ok')
})

t.test('a probe that fails keeps it open for another pause', async (t) => {
  const breaker = await createOpen()
  nowMs += 1000
  await t.rejects(breaker.run(fail), { message: 'away' })
  nowMs += 999
  await t.rejects(breaker.run(succeed), OPEN)
  nowMs += 1
  t.equal(await breaker.run(succeed), 'ok')
})

t.test('an error that the back end answered with is no failure', async (t) => {
  const breaker = createBreaker({ failures: 1, openMs: 1000, now: () => nowMs })
  const refuse = async (): Promise<never> => { throw new AccessError('these claims cannot be decided', true) }
  for (let attempt = 0; attempt < 5; attempt++) await t.rejects(breaker.run(refuse), { name: 'AccessError', message: 'these claims cannot be decided' })
  t.equal(await breaker.run(succeed), 'ok')
})
