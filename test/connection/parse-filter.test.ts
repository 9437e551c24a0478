import fc from 'fast-check'
import t from 'tap'
import { checkFilter, eventTypeSet, isFilterError, parseFilter } from '../../src/connection/parse-filter.js'
import { offenders } from '../support/offenders.js'

const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `id${index}`)
const errorOf = (text: string): string | undefined => {
  const filter = parseFilter('agent_ids', text, 50)
  return isFilterError(filter) ? filter.error : undefined
}

t.test('a list is read without its duplicates, in order', async (t) => {
  t.same(parseFilter('agent_ids', 'b,a,b,a:1._-Z', 50), ['b', 'a', 'a:1._-Z'])
  t.equal(parseFilter('agent_ids', '*', 50), '*')
  t.equal(parseFilter('agent_ids', '*,*', 50), '*')
  t.same(parseFilter('agent_ids', 'x'.repeat(128), 50), ['x'.repeat(128)])
})

t.test('fifty ids pass and fifty-one do not, duplicates not counted', async (t) => {
  t.same(parseFilter('agent_ids', numbered(50).join(','), 50), numbered(50))
  t.equal(errorOf(numbered(51).join(',')), 'agent_ids: at most 50 ids')
  t.same(parseFilter('agent_ids', [...numbered(50), ...numbered(50)].join(','), 50), numbered(50))
})

t.test('an empty or malformed list is an error that repeats nothing of it', async (t) => {
  for (const text of ['', ',', 'a,', ',a', 'a,,b', ' a', 'a b', 'a\n', 'é', 'a/b', 'a%2Cb', '\u0000', 'x'.repeat(129), '__proto__ ', 'a*', '<script>']) {
    t.equal(errorOf(text), 'agent_ids: each entry is 1 to 128 of A-Z a-z 0-9 . _ : -', JSON.stringify(text))
  }
  t.same(await offenders(['*,a', 'a,*', '*,'], text => errorOf(text) === 'agent_ids: * stands alone'), [])
})

t.test('a list of a million commas is refused before it is split', async (t) => {
  t.equal(errorOf(','.repeat(1_000_000)), 'agent_ids: at most 50 ids')
})

t.test('names of the prototype are ids like any other', async (t) => {
  t.same(parseFilter('agent_ids', '__proto__,constructor', 50), ['__proto__', 'constructor'])
})

t.test('any text gives at most so many well-formed, different ids, or an error', async () => {
  const entry = fc.oneof(fc.stringMatching(/^[A-Za-z0-9._:-]{1,4}$/), fc.constantFrom('*', '', ' ', 'a'), fc.string())
  fc.assert(fc.property(fc.array(entry, { maxLength: 80 }).map(entries => entries.join(',')), fc.integer({ min: 1, max: 60 }), (text, maxIds) => {
    const filter = parseFilter('x', text, maxIds)
    if (isFilterError(filter)) return filter.error.startsWith('x: ')
    return filter === '*' || (filter.length >= 1 && filter.length <= maxIds && new Set(filter).size === filter.length &&
      filter.every(id => /^[A-Za-z0-9._:-]{1,128}$/.test(id)))
  }), { numRuns: 2000 })
})

t.test('every list of well-formed ids within the bound is accepted whole', async () => {
  const ids = fc.uniqueArray(fc.stringMatching(/^[A-Za-z0-9._:-]{1,128}$/), { minLength: 1, maxLength: 50 })
  fc.assert(fc.property(ids, (list) => JSON.stringify(parseFilter('x', list.join(','), 50)) === JSON.stringify(list)))
})

t.test('lists that come in a frame obey the same rules', async (t) => {
  t.same(checkFilter('agent_ids', numbered(50), 50), numbered(50))
  t.match(checkFilter('agent_ids', numbered(51), 50), { error: 'agent_ids: at most 50 ids' })
  t.match(checkFilter('agent_ids', ['a', '*'], 50), { error: 'agent_ids: * stands alone' })
  t.same(checkFilter('agent_ids', [], 50), [], 'an empty one is the frame schema\'s to refuse')
})

t.test('event types narrow only when some are named', async (t) => {
  t.equal(eventTypeSet(null), null)
  t.equal(eventTypeSet('*'), null)
  t.same(eventTypeSet(['a', 'b']), new Set(['a', 'b']))
})
