import fc from 'fast-check'
import t from 'tap'
import { quote } from '../../src/wire/quote.js'

t.test('every text is written as JSON.stringify writes it', async (t) => {
  for (let code = 0; code <= 0xffff; code++) {
    const text = `a${String.fromCharCode(code)}b`
    if (quote(text) !== JSON.stringify(text)) t.fail(`U+${code.toString(16)}`)
  }
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => quote(text) === JSON.stringify(text)))
  t.equal(quote(''), '""')
})
