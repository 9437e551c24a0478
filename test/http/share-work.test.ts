import t from 'tap'
import { shareWork } from '../../src/http/share-work.js'

function scriptedWork () {
  const pending: Array<{ resolve (text: string): void, reject (error: Error): void }> = []
  let nowMs = 0
  const work = async (): Promise<string> => await new Promise((resolve, reject) => { pending.push({ resolve, reject }) })
  const ask = shareWork(1000, work, () => nowMs)
  return { ask, pending, at: (ms: number) => { nowMs = ms } }
}

t.test('all who ask while it goes on, or within its time, get one result', async (t) => {
  const { ask, pending, at } = scriptedWork()
  const answers = [ask(), ask()]
  at(5000)
  answers.push(ask())
  pending[0]?.resolve('first')
  t.same(await Promise.all(answers), ['first', 'first', 'first'])
  const next = ask()
  t.equal(pending.length, 2, 'it took longer than it is fresh')
  pending[1]?.resolve('second')
  t.equal(await next, 'second')
  at(5999)
  t.equal(await ask(), 'second')
  at(6000)
  void ask()
  t.equal(pending.length, 3)
})

t.test('what fails is kept for nobody', async (t) => {
  const { ask, pending } = scriptedWork()
  const failed = [ask(), ask()]
  pending[0]?.reject(new Error('not now'))
  for (const one of failed) await t.rejects(one, /not now/)
  const again = ask()
  pending[1]?.resolve('there')
  t.equal(await again, 'there')
})
