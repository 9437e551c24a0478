import t from 'tap'
import { JsonText } from '../../src/wire/json-text.js'
import { createRandom } from '../attacks/random.js'
import { offenders } from '../support/offenders.js'

/** Whether text is one JSON value, by the scan. */
function isJson (text: string): boolean {
  try {
    return JsonText.parse(text).toString() === text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
  } catch {
    return false
  }
}

function parses (text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

const VALUES = [
  'null', 'true', 'false', '0', '-0', '10', '-1', '0.0', '-0.5', '1e5', '1E5', '1e+5', '1e-5', '1.5e007', '0e0', '1e400', '123456789012345678901234567890',
  '""', '" "', '"a"', '"\u007f"', '"\u2028\u2029"', '"é😀"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\u0000\\uABCD\\uabcd"', '"\\ud800"', '"\\udc00\\ud800"', '"// no comment"',
  '[]', '[ ]', '[1]', '[1,2]', '[[],[[]]]', '[{},[],"",0,null]', '[1 ,\t2\r\n]', '{}', '{ }', '{"a":1}', '{"":0}', '{"a":{"a":{}},"b":[]}', '{"a":1,"a":2}',
  '{"__proto__":1,"constructor":{}}', '{ "a" : 1 , "b" : 2 }', ' 1', '1 ', '\n\t\r 1 \n', '["a\\"b"]', '{"a\\"b":1}', '[-1.0e-0]'
]

const OTHERS = [
  '', ' ', 'nul', 'nulll', 'Null', 'True', 'tru', 'falsE', 'undefined', 'NaN', 'Infinity', '-Infinity', '-', '+1', '01', '-01', '00', '1.', '.5', '-.5', '1e', '1e+', '1.e5', '1.5e', '0x10', '1_0', '1 2',
  '1,', ',1', '"', '"a', 'a"', "'a'", '"\\"', '"\\', '"\\a"', '"\\u"', '"\\u12"', '"\\u123g"', '"\\u123"', '"\\U0041"', '"\\x41"', '"a\nb"', '"a\tb"', '"\u0000"', '"\u001f"', '"a""b"',
  '[', ']', '[1', '[1,', '[1,]', '[,1]', '[,]', '[1 2]', '[1,,2]', '[1}', '[}', '[1:2]', '["a":1]', '[[]', '[]]', '{', '}', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{"a"}', '{"a",1}',
  '{"a":1]', '{]', '{a:1}', '{1:1}', "{'a':1}", '{"a":1 "b":2}', '{"a"::1}', '{"a":1:2}', '{null:1}', '{[]:1}', '{}}', '{} {}', '{}[]', '// c\n1', '1 // c', '/* c */ 1', '\ufeff1', '\u00a01', '1\u00a0', '\v1', '\f1',
  '1\0', '\0', '[1]\0', '\u20281', '[\u00a0]', 'é', '<a>', '-é', '"\\é"', '\\u0031'
]

t.test('what is JSON by RFC 8259 is taken as it is, and nothing else', async (t) => {
  t.same(await offenders([...VALUES, ...OTHERS.filter(text => parses(text))], isJson), [])
  t.same(await offenders(OTHERS, text => !isJson(text)), [])
  t.same([...VALUES.filter(text => !parses(text)), ...OTHERS.filter(parses)], [], 'and so says JSON.parse')
})

t.test('every beginning of a value, and every value with one byte more, is judged as JSON.parse judges it', async (t) => {
  const whole = '[{"a\\u0041":-1.5e+3,"b":[true,false,null]}, "x\\n", 0]'
  const pieces = Array.from(whole, (_, at) => whole.slice(0, at))
  const longer = Array.from(whole, (_, at) => Array.from(' \t\n\v0-+.eE"\\/u{}[],:at\u00e9\0', more => whole.slice(0, at) + more + whole.slice(at)))
  t.same(await offenders([whole, ...pieces, ...longer.flat()], text => isJson(text) === parses(text)), [])
})

t.test('100,000 random changes of values are judged as JSON.parse judges them', async (t) => {
  const random = createRandom(20_261_127)
  const scraps = [...VALUES, ...'{}[]",:\\/ \n\t\r\0-+.0123456789eEutfnls', '\u00e9', '\ud83d\ude00', 'e-', '\\u', '":', ',"']
  const wrong: string[] = []
  let good = 0
  for (let run = 0; run < 100_000; run++) {
    let text = random.pick(VALUES)
    for (let change = random.below(4); change >= 0; change--) {
      const at = random.below(text.length + 1)
      text = text.slice(0, at) + (random.chance(0.7) ? random.pick(scraps) : '') + text.slice(at + random.below(3))
    }
    // Half a character has no UTF-8: on the wire it cannot come.
    text = Buffer.from(text).toString()
    const expected = parses(text)
    if (expected) good++
    if (isJson(text) !== expected) wrong.push(text)
  }
  t.same(wrong, [])
  t.ok(good > 5000 && good < 95_000, `${good} of them were JSON`)
})

t.test('nesting is bounded at 128, whatever it is made of, and a bomb ends at once', async (t) => {
  const nested = (depth: number, open = '[', close = ']', core = ''): string => open.repeat(depth) + core + close.repeat(depth)
  t.same(await offenders([nested(128), nested(128, '{"a":', '}', '1'), nested(64, '[{"a":', '}]', '1'), `[${nested(127)},${nested(127)}]`], isJson), [])
  for (const text of [nested(129), nested(129, '{"a":', '}', '1'), nested(128, '[', ']', '{}'), nested(500_000), '['.repeat(1_000_000)]) {
    t.throws(() => JsonText.parse(text), RangeError, `${text.length} characters`)
  }
})

t.test('a value is written as JSON.stringify writes it; what is none is refused', async (t) => {
  for (const value of [null, 0, 'x', [1, { a: undefined }], { a: '\ud800' }]) t.equal(String(JsonText.from(value)), JSON.stringify(value))
  const text = JsonText.parse(' {"n":9007199254740993} ')
  t.equal(JsonText.from(text), text)
  t.equal(String(text), '{"n":9007199254740993}')
  t.equal(JSON.stringify({ data: text }), '{"data":{"n":9007199254740992}}', 'its value, where somebody asks for one')
  for (const value of [undefined, () => {}, Symbol('x'), 1n]) t.throws(() => JsonText.from(value), TypeError)
  t.throws(() => JsonText.parse('{'), TypeError)
})
