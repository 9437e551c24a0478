import t from 'tap'
import { RevocationBodySchema } from '../../../src/http/request-schemas.js'
import { readRevocation } from '../../../src/http/routes/read-revocation.js'
import { createShape } from '../../../src/http/shape.js'

const NOW_MS = Date.parse('2026-01-02T03:04:05Z')
const body = createShape(RevocationBodySchema, 'another shape is wanted')
const parse = (value: unknown) => body.fits(value) ? readRevocation(value, NOW_MS, 86_400_000) : body.wanted

t.test('one token, session or subject is named, optionally with issuer and time', async (t) => {
  t.same(parse({ jti: 'x' }), { kind: 'jti', id: 'x', issuer: null, issuedBeforeMs: null })
  t.same(parse({ sid: 'x', issuer: 'kc' }), { kind: 'sid', id: 'x', issuer: 'kc', issuedBeforeMs: null })
  t.same(parse({ sub: 'x', issued_before: '2026-01-02T03:00:00Z' }), { kind: 'sub', id: 'x', issuer: null, issuedBeforeMs: NOW_MS - 245_000 })
  t.same(parse({ sub: 'x', issued_before: '2026-01-02T05:00:00.5+02:00' }), { kind: 'sub', id: 'x', issuer: null, issuedBeforeMs: NOW_MS - 244_500 })
  t.same(parse({ sub: 'x', issued_before: 1_767_323_045 }), { kind: 'sub', id: 'x', issuer: null, issuedBeforeMs: 1_767_323_045_000 })
})

t.test('anything else is answered with what is wrong', async (t) => {
  const wrong: unknown[] = [null, [], 'x', {}, { jti: 'a', sub: 'b' }, { jti: '' }, { jti: 7 }, { sub: 'x'.repeat(2049) }, { sub: 'a', issuer: '' },
    { sub: 'a', issued_befor: 1 }, { sub: 'a', issued_before: 'yesterday' }, { sub: 'a', issued_before: '2026-01-02' },
    { sub: 'a', issued_before: '2026-01-02T03:00:00' }, { sub: 'a', issued_before: '2026-13-02T03:00:00Z' }, { sub: 'a', issued_before: -1 },
    { sub: 'a', issued_before: null }, { sub: 'a', issued_before: '2026-01-04T00:00:00Z' }, { sub: 'a', issued_before: 1e300 }]
  for (const value of wrong) t.type(parse(value), 'string', JSON.stringify(value))
})
