import t from 'tap'
import { createRenewal } from '../../src/redis/renewal.js'

const READONLY = new Error("READONLY You can't write against a read only replica. script: 1234, on @user_script:1.")

t.test('an answer of the wrong server has its connection made anew, at most once a second', async (t) => {
  let nowMs = 0
  const renewal = createRenewal(false, () => nowMs)
  t.equal(renewal.isWrongServer(READONLY), true)
  nowMs = 999
  t.equal(renewal.isWrongServer(READONLY), false)
  nowMs = 1000
  t.equal(renewal.isWrongServer(READONLY), true)
})

t.test('which answers are those of a wrong server', async (t) => {
  const isWrong = (message: string): boolean => createRenewal(false, () => 0).isWrongServer(new Error(message))
  const wrong = [
    READONLY.message,
    "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
    'LOADING Redis is loading the dataset in memory',
    'MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to \'no\'.',
    'NOREPLICAS Not enough good replicas to write.'
  ]
  t.same(wrong.filter(message => !isWrong(message)), [])
  const own = ['OOM command not allowed', 'WRONGTYPE Operation against a key', 'NOSCRIPT No matching script', 'ERR value READONLYish', 'NOPERM no rights on READONLY keys']
  t.same(own.filter(isWrong), [])
})

t.test('probes that fail twice in a row renew all, a single Redis once a second, a cluster less and less often', async (t) => {
  let nowMs = 0
  /** When all is renewed, in s, if a probe fails every second. */
  const renewedAt = (isCluster: boolean, seconds: number): number[] => {
    const renewal = createRenewal(isCluster, () => nowMs)
    return Array.from({ length: seconds }, (_, s) => s).filter((s) => {
      nowMs = s * 1000
      return renewal.isDue(false)
    })
  }
  t.same(renewedAt(false, 5), [1, 2, 3, 4])
  t.same(renewedAt(true, 200), [1, 11, 31, 71, 131, 191])
})

t.test('a probe that succeeds begins anew', async (t) => {
  let nowMs = 0
  const renewal = createRenewal(true, () => nowMs)
  const probes = [false, true, false, false, true, false, false].map((succeeded) => {
    nowMs += 1000
    return renewal.isDue(succeeded)
  })
  t.same(probes, [false, false, false, true, false, false, true])
})
