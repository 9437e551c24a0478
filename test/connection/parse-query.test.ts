import fc from 'fast-check'
import t from 'tap'
import { parseQuery } from '../../src/connection/parse-query.js'
import { offenders } from '../support/offenders.js'

const read = (raw: string): unknown => {
  const query = parseQuery(raw)
  return 'error' in query ? query.error : Object.fromEntries(query)
}

t.test('known parameters are read, decoded once, and all others ignored', async (t) => {
  t.same(read(''), {})
  t.same(read('token=a.b.c&agent_ids=a,b&task_ids=t&event_types=x&refuse=close&resume=r'), {
    token: 'a.b.c', agent_ids: 'a,b', task_ids: 't', event_types: 'x', refuse: 'close', resume: 'r'
  })
  t.same(read('utm_source=%E0%A4%A&x=1&x=2&&=&token=a'), { token: 'a' }, 'also when they are broken')
  t.same(read('agent_ids=a%2Cb'), { agent_ids: 'a,b' })
  t.same(read('token=%2541'), { token: '%41' }, 'once')
  t.same(read('token'), { token: '' })
  t.same(read('token=a=b=c'), { token: 'a=b=c' })
  t.same(read('token=a+b'), { token: 'a+b' }, 'a plus is a plus: ids and tokens hold no space')
})

t.test('an encoded separator stays inside its value, and makes no parameter', async (t) => {
  t.same(read('token=x%26refuse=close'), { token: 'x&refuse=close' })
  t.same(read('token=x%26agent_ids%3Da'), { token: 'x&agent_ids=a' })
  t.same(read('token=x;agent_ids=a'), { token: 'x;agent_ids=a' })
})

t.test('a parameter\'s name stands as it is: no other spelling is known', async (t) => {
  for (const raw of ['%74oken=a', 'Token=a', ' token=a', 'token%20=a', 'token[]=a', 'token.=a', '__proto__=a', 'constructor=a']) t.same(read(raw), {}, raw)
})

t.test('a parameter given twice is an error when the two differ', async (t) => {
  t.equal(read('token=a&token=b'), 'token: given twice')
  t.equal(read('agent_ids=a&agent_ids='), 'agent_ids: given twice')
  t.same(read('token=a&token=%61'), { token: 'a' })
})

t.test('a resume pass that is no parameter at all is none: it can only help', async (t) => {
  for (const raw of ['resume=%', 'resume=%zz', 'resume=a&resume=b', 'resume=a&resume=b&resume=a', 'resume=%&resume=a', 'resume']) {
    t.same(read(`${raw}&token=t`), { resume: '', token: 't' }, raw)
  }
  t.same(read('resume=a%2Db&resume=a-b'), { resume: 'a-b' })
})

t.test('a broken escape is an error that repeats nothing of the value', async (t) => {
  t.same(await offenders(['token=hunter2%', 'token=hunter2%zz', 'token=%C3%28hunter2', 'token=%ff'], raw => read(raw) === 'token: broken percent escape'), [])
})

t.test('any query is read or refused, never an exception, and holds known names only', async () => {
  const known = ['token', 'agent_ids', 'task_ids', 'event_types', 'refuse', 'resume']
  const piece = fc.oneof(fc.constantFrom(...known, '=', '&', '%', '%26', '%3D', '%2541', '%zz', '+', '\u0000'), fc.string())
  fc.assert(fc.property(fc.array(piece).map(pieces => pieces.join('')), (raw) => {
    const query = parseQuery(raw)
    return 'error' in query || [...query.keys()].every(name => known.includes(name))
  }), { numRuns: 2000 })
})

t.test('whatever a value holds, encoding it brings it back alone', async () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (token, agents) => {
    const query = parseQuery(`token=${encodeURIComponent(token)}&agent_ids=${encodeURIComponent(agents)}`)
    return !('error' in query) && query.size === 2 && query.get('token') === token && query.get('agent_ids') === agents
  }))
})
