import fc from 'fast-check'
import t from 'tap'
import { decodeSegment, MAX_TOKEN_LENGTH, readTokenFormat } from '../../src/tokens/token-format.js'

t.test('three canonical base64url segments are told apart by their dots', async t => {
  t.same(readTokenFormat('AAAA.BBBB.CCCC'), { headerEnd: 4, payloadEnd: 9 })
  t.same(readTokenFormat('AA.BBA.CCCC'), { headerEnd: 2, payloadEnd: 6 })
})

const malformed: ReadonlyArray<readonly [string, string]> = [
  ['nothing at all', ''],
  ['one segment', 'AAAA'],
  ['two segments', 'AAAA.BBBB'],
  ['four segments', 'AAAA.BBBB.CCCC.DDDD'],
  ['five segments, as an encrypted token has', 'AAAA.BBBB.CCCC.DDDD.EEEE'],
  ['an empty header', '.BBBB.CCCC'],
  ['an empty payload', 'AAAA..CCCC'],
  ['an empty signature', 'AAAA.BBBB.'],
  ['padding', 'AA==.BBBB.CCCC'],
  ['the other base64 alphabet', 'AA+A.BB/B.CCCC'],
  ['a space before', ' AAAA.BBBB.CCCC'],
  ['a line feed after', 'AAAA.BBBB.CCCC\n'],
  ['white space within', 'AAAA.BB BB.CCCC'],
  ['a NUL within', 'AAAA.BB\0BB.CCCC'],
  ['letters beyond ASCII', 'AAAA.BBBB.CCCé'],
  ['a length that no bytes have', 'AAAAA.BBBB.CCCC'],
  ['last bits that are not zero in the header', 'AB.BBBB.CCCC'],
  ['last bits that are not zero in the payload', 'AAAA.BBB.CCCC'],
  ['last bits that are not zero in the signature', 'AAAA.BBBB.CCB'],
  ['one character too many', `AAAA.BBBB.${'C'.repeat(MAX_TOKEN_LENGTH - 9)}`],
  ['100 KB', `AAAA.BBBB.${'C'.repeat(100 * 1024)}`]
]
for (const [what, token] of malformed) {
  t.test(`${what} is no token`, async t => { t.equal(readTokenFormat(token), null) })
}

t.test('a segment is canonical exactly when encoding its bytes again gives the same text', async () => {
  fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9_-]{1,9}$/), segment => {
    const canonical = Buffer.from(segment, 'base64url').toString('base64url') === segment
    return (readTokenFormat(`AAAA.${segment}.CCCC`) !== null) === canonical
  }), { numRuns: 2000 })
})

t.test('only a JSON object comes out of a segment', async t => {
  const encode = (text: string): string => Buffer.from(text).toString('base64url')
  t.same(decodeSegment(encode('{"a":1}')), { a: 1 })
  for (const text of ['null', '[]', '1', '"a"', '', '{', '\ufeff{"a":1}', '['.repeat(50_000)]) {
    t.equal(decodeSegment(encode(text)), null)
  }
})
