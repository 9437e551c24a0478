import t from 'tap'
import { isItems, readItems } from '../../src/wire/read-items.js'
import { isMembers } from '../../src/wire/read-members.js'
import { offenders } from '../support/offenders.js'

const NAMES = new Set(['type', 'data'])
const MOST = 3

function read (text: string, most = MOST): unknown {
  const items = readItems(Buffer.from(text), NAMES, most)
  if (!isItems(items)) return items
  return items.map(item => isMembers(item) ? Object.fromEntries([...item.known].map(([name, json]) => [name, String(json)])) : item)
}
const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)

t.test('each item has its members, as the bytes between colon and comma', async (t) => {
  t.same(read(' [ {"type":"x","data":{"a":[1, 2]}} ,\n{ "data" : 1e2 }\t] '), [{ type: '"x"', data: '{"a":[1, 2]}' }, { data: '1e2' }])
  t.same(read('[]'), [])
  t.same(read(' [\n] '), [])
  t.same(read('[{},{"data":1,"data":2}]'), [{}, { data: '2' }], 'of duplicate names the last counts')
})

t.test('an item that has no members is told by itself, and those around it are read', async (t) => {
  const alone: ReadonlyArray<readonly [string, readonly string[]]> = [
    ['wrong_shape', ['null', '1', '"x"', 'true', '[]', '[{"data":1}]', nested(129), nested(50_000), `{${Array(101).fill('"a":1').join()}}`]],
    ['too_deep', [`{"data":${nested(129)}}`, `{"more":${nested(50_000)}}`, `{"data":${'{"a":'.repeat(200)}1${'}'.repeat(200)}}`]]
  ]
  const cases = alone.flatMap(([why, items]) => items.map(item => ({ why, item })))
  t.same(await offenders(cases, ({ why, item }) => {
    return JSON.stringify(read(`[{"data":1},${item},{"data":2}]`)) === JSON.stringify([{ data: '1' }, why, { data: '2' }])
  }), [])
  t.same(read(`[{"data":${nested(128)}}]`), [{ data: nested(128) }], 'as deep as may be')
})

t.test('what is no JSON array is told as a whole, wherever it is wrong', async (t) => {
  const broken = [
    '[', '[{}', '[{},', '[{},]', '[,]', '[{}]x', '[{}][', '[]]', '[{}{}]', '[{"data":01}]', '[{"data":1,}]', '[nul]', `[${nested(200)}x]`, `[${nested(200).slice(0, -1)}]`,
    `[${'['.repeat(200)}${'}'.repeat(200)}]`, `[{"data":${'['.repeat(500_000)}`, '['.repeat(500_000), '[{"data":1}:{}]', '[{} {}]'
  ]
  t.same(await offenders(broken, text => read(text) === 'not_json'), [])
  t.same(await offenders(['{}', 'null', '', ' ', 'x'], text => read(text) === 'wrong_shape'), [])
})

t.test('more items than may be are told, without a look at the rest', async (t) => {
  t.same(read('[{},1,{}]'), [{}, 'wrong_shape', {}])
  t.equal(read('[{},1,{},{}]'), 'too_many')
  t.equal(read('[{},1,{},no JSON'), 'too_many')
})

t.test('brackets of one deep item are not taken for those of the next', async (t) => {
  t.same(read(`[${nested(500)},${'{"a":'.repeat(300)}1${'}'.repeat(300)},${nested(400)}]`), ['wrong_shape', 'too_deep', 'wrong_shape'])
  t.equal(read(`[${nested(500)},${'{"a":'.repeat(300)}1${']'.repeat(300)}]`), 'not_json')
})
