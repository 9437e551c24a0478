import t from 'tap'
import { createHeldBack } from '../../src/http/held-back.js'
import { createSecret, denialsOf, judgeSecret, type Secret } from '../../src/http/secrets.js'

const SECRET = 's'.repeat(32)
const ADDRESS = { ip: '192.0.2.1', key: '192.0.2.1' }

function makeSecret (max: number): { secret: Secret, wrong: string[] } {
  const wrong: string[] = []
  const secret = createSecret('admin', [SECRET], (kind, { key }) => { wrong.push(`${kind} ${key}`) }, createHeldBack({ max, delayMs: 1 }))
  return { secret, wrong }
}
const show = (authorization: string | null): Map<string, string> => new Map(authorization === null ? [] : [['authorization', authorization]])

t.test('the right secret is heard at once, while as many wrong ones wait as may', async (t) => {
  const { secret, wrong } = makeSecret(2)
  const answers = ['Bearer guess', 'Basic abc', 'Bearer guess'].map(shown => judgeSecret(secret, show(shown), ADDRESS))
  t.equal(judgeSecret(secret, show(`Bearer ${SECRET}`), ADDRESS), null)
  t.ok(answers[0] instanceof Promise && answers[1] instanceof Promise, 'these come late')
  t.equal(answers[2], denialsOf('admin').limited, 'this one may not wait')
  t.equal(await answers[0], denialsOf('admin').unauthorized)
  t.same(wrong, ['admin 192.0.2.1', 'admin 192.0.2.1', 'admin 192.0.2.1'])
})

t.test('a request without a secret is no guess: it is answered at once, and nobody is told', async (t) => {
  const { secret, wrong } = makeSecret(1)
  for (let i = 0; i < 100; i++) t.equal(judgeSecret(secret, show(null), ADDRESS), denialsOf('admin').unauthorized)
  t.same(wrong, [])
  t.ok(judgeSecret(secret, show('Bearer guess'), ADDRESS) instanceof Promise, 'and took no place of those that wait')
})
