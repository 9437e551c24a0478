import t from 'tap'
import { findNameMistakes, findScopeMistake } from '../../src/tokens/claim-types.js'
import { DEFAULT_READING } from '../../src/tokens/claim-reading.js'

t.test('scopes of a type that grants none are named', async (t) => {
  const say = (claims: Record<string, unknown>): string | null => findScopeMistake(claims, DEFAULT_READING)
  t.equal(say({ scope: 7 }), 'scope is 7, wanted is a text with spaces between them, or a list of texts')
  t.equal(say({ scp: ['a', 7] }), 'scp is ["a", 7], wanted is a text with spaces between them, or a list of texts')
  t.equal(say({ scope: true, scp: 'a' }), 'scope is true, wanted is a text with spaces between them, or a list of texts', 'the first that is there counts')
  for (const good of [{}, { scope: null }, { scope: '' }, { scope: 'a b' }, { scp: [] }, { scp: ['a'] }]) t.equal(say(good), null, JSON.stringify(good))
})

t.test('what a token would be revoked by is named where it is no text', async (t) => {
  const say = (claims: Record<string, unknown>): string[] => findNameMistakes(claims, DEFAULT_READING)
  t.same(say({ jti: 7, session_id: ['s'] }), ['jti is 7, wanted is a text', 'session_id is ["s"], wanted is a text'])
  t.same(say({ jti: 'j', sid: {}, session_id: 's' }), ['sid is an object, wanted is a text'])
  t.same(say({ jti: null, sid: '' }), [])
  t.same(say({}), [])
})
