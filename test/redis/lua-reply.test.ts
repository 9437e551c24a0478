import t from 'tap'
import { readFlag, readIntegers, readTextIntegerPairs, readTexts, readTuple, readThreeLists, UnexpectedReply } from '../../src/redis/lua-reply.js'

t.test('what a script promises is read as it is', async (t) => {
  t.equal(readFlag(1, 's'), true)
  t.equal(readFlag(0, 's'), false)
  t.same(readTuple([-1], 's', 1), [-1])
  t.same(readTuple([1, 2], 's', 2), [1, 2])
  t.same(readTuple([1, 2, 3, 4, 5], 's', 5), [1, 2, 3, 4, 5])
  t.same(readIntegers([], 's'), [])
  t.same(readIntegers([0, 7, -1], 's'), [0, 7, -1])
  t.same(readTexts(['', 'a'], 's'), ['', 'a'])
  t.same(readThreeLists([[1, 'a'], [], [2]], 's'), [[1, 'a'], [], [2]])
  t.same(readTextIntegerPairs(['a', 1, 'b', 2], 's'), [['a', 1], ['b', 2]])
  t.same(readTextIntegerPairs([], 's'), [])
})

t.test('anything else throws one named error, with the script and without the reply', async (t) => {
  const wrong: Record<string, () => unknown> = {
    'a flag of 2': () => readFlag(2, 'x'),
    'a flag as text': () => readFlag('1', 'x'),
    'no flag': () => readFlag(null, 'x'),
    'a tuple that is too short': () => readTuple([1], 'x', 2),
    'a tuple that is too long': () => readTuple([1, 2, 3], 'x', 2),
    'a tuple of texts': () => readTuple(['1', '2'], 'x', 2),
    'no tuple': () => readTuple(null, 'x', 1),
    'a fraction': () => readIntegers([1.5], 'x'),
    'a hole among integers': () => readIntegers([1, null], 'x'),
    'no list of integers': () => readIntegers('secret', 'x'),
    'a number among texts': () => readTexts(['a', 1], 'x'),
    'no list of texts': () => readTexts(undefined, 'x'),
    'two lists': () => readThreeLists([['secret'], []], 'x'),
    'four lists': () => readThreeLists([[], [], [], ['secret']], 'x'),
    'a text beside a list': () => readThreeLists([[], [], 'secret'], 'x'),
    'no lists': () => readThreeLists('secret', 'x'),
    'half a pair': () => readTextIntegerPairs(['secret', 1, 'secret'], 'x'),
    'a pair the wrong way round': () => readTextIntegerPairs([1, 'secret'], 'x'),
    'no pairs': () => readTextIntegerPairs(1, 'x')
  }
  const passed = Object.entries(wrong).filter(([, read]) => {
    try { read() } catch (error) { return !(error instanceof UnexpectedReply && /^x\.lua did not answer with [^:]+$/.test(error.message) && !error.message.includes('secret')) }
    return true
  })
  t.same(passed.map(([what]) => what), [])
})
