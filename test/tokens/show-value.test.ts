import t from 'tap'
import { showValue } from '../../src/tokens/show-value.js'

t.test('a value is shown escaped and bounded, and nothing that could be a token', async (t) => {
  const shown: ReadonlyArray<readonly [unknown, string]> = [
    ['gateway', '"gateway"'], ['a\n"b"', '"a\\n\\"b\\""'], ['x'.repeat(65), `"${'x'.repeat(64)}…"`], ['eyJhbGciOiJub25lIn0', '…'], ['a eyJ', '…'],
    [undefined, 'absent'], [null, 'null'], [7, '7'], [true, 'true'], [{ a: 1 }, 'an object'], [[['a']], '[a list]'], [[], '[]'],
    [['a', 'b', 'c', 'd'], '["a", "b", "c", …]'], ['\ud800', '"\\ud800"']
  ]
  t.same(shown.map(([value]) => showValue(value)), shown.map(([, text]) => text))
})
