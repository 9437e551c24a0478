import t from 'tap'
import { isMembers, readMembers } from '../../src/wire/read-members.js'
import { offenders } from '../support/offenders.js'

const NAMES = new Set(['type', 'data'])

function read (text: string | Buffer): unknown {
  const members = readMembers(Buffer.from(text), NAMES)
  if (!isMembers(members)) return members
  return { ...Object.fromEntries([...members.known].map(([name, json]) => [name, String(json)])), others: members.hasOthers }
}

t.test('each value is what stands between colon and comma, without the white space around', async (t) => {
  t.same(read('{"type":"x","data":{"a":[1, 2]}}'), { type: '"x"', data: '{"a":[1, 2]}', others: false })
  t.same(read(' {\n"data" :\t1e2 , "type":null }\r\n'), { data: '1e2', type: 'null', others: false })
  t.same(read('{}'), { others: false })
})

t.test('of duplicate names the last counts, and a name may be written with escapes', async (t) => {
  t.same(read('{"data":1,"data":2,"d\\u0061ta":3}'), { data: '3', others: false })
  t.same(read('{"\\u0064\\u0061\\u0074\\u0061":1}'), { data: '1', others: false })
})

t.test('members of other names are told, and none of them is taken for one of ours', async (t) => {
  const others = ['Data', 'data ', '__proto__', 'constructor', '', 'dat', 'dataa', 'data\\u0000', '\\ud800', 'd\u00e4ta', `data${'x'.repeat(5000)}`, '\\u0064'.repeat(40)]
  t.same(await offenders(others, name => JSON.stringify(read(`{"${name}":1}`)) === '{"others":true}'), [])
})

t.test('why there are none is told', async (t) => {
  const cases: ReadonlyArray<readonly [string, readonly (string | Buffer)[]]> = [
    ['not_utf8', [Buffer.from([0x22, 0xff, 0x22]), Buffer.from('{"data":"é"}', 'latin1'), Buffer.from([0xed, 0xa0, 0x80])]],
    ['not_json', ['', '{', '{"data":1', '{"data":1,}', '{"data":01}', '{"data":1}{}', '{"data":1}x', '\ufeff{"data":1}', '[1', '{data:1}', '{"data" 1}']],
    ['wrong_shape', ['null', '[]', '"data"', '1', ' [{"data":1}] ', `{${Array(101).fill('"a":1').join()}}`]],
    ['too_deep', [`{"data":${'['.repeat(129)}${']'.repeat(129)}}`, `{"more":${'['.repeat(500_000)}`, '['.repeat(129)]]
  ]
  t.same(await offenders(cases.flatMap(([why, texts]) => texts.map(text => [why, text] as const)), ([why, text]) => read(text) === why), [])
  t.same(read(`{${Array(99).fill('"a":1').join()},"data":2}`), { data: '2', others: true }, 'a hundred members are read')
})
