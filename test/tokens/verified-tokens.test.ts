import t from 'tap'
import type { Identity } from '../../src/tokens/identity.js'
import type { IssuerVerifier } from '../../src/tokens/issuer-verifier.js'
import type { VerificationKey } from '../../src/tokens/keys.js'
import type { TokenName } from '../../src/tokens/token-name.js'
import { createVerifiedTokens } from '../../src/tokens/verified-tokens.js'
import { identityOf } from '../access/identity-of.js'
import { startIssuer } from '../support/issuer.js'
import { offenders } from '../support/offenders.js'
import { describe, startVerifier } from './fixture.js'

const fast = { algorithm: 'ES256' } as const

t.test('a token that was accepted is known by its whole text, and its verdict is the same object', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  t.equal(describe(first), 'accepted alice')
  t.equal(verifier.verifyNow(token), first)
  t.equal(await verifier.verify(token), first)
  const changed = `${token.slice(0, -1)}${token.endsWith('A') ? 'Q' : 'A'}`
  t.equal(describe(verifier.verifyNow(changed)), 'invalid_token signature')
  t.equal(verifier.verifyNow(token), first)
  const [header, , signature] = token.split('.')
  const [, payload] = issuer.sign({ sub: 'mallory' }).split('.')
  t.equal(describe(verifier.verifyNow(`${header}.${payload}.${signature}`)), 'invalid_token signature', 'the same ending is not the same token')
  t.equal(verifier.verifyNow(token), first)
})

t.test('what is dropped for its text leaves another of the same ending', async t => {
  const verdict = { ok: true as const, identity: identityOf('alice') }
  const alice = { verdict, key, verifier: trusting, askedAtMs: null }
  const tokens = createVerifiedTokens(10)
  const ending = 's'.repeat(43)
  tokens.remember(`alice.${ending}`, alice)
  tokens.drop(`bob.${ending}`)
  t.equal(tokens.find(`alice.${ending}`), alice)
  t.equal(tokens.find(`bob.${ending}`), undefined)
  t.equal(tokens.peek(`bob.${ending}`), undefined)
  tokens.drop(`alice.${ending}`)
  t.equal(tokens.find(`alice.${ending}`), undefined)
})

t.test('no more tokens than configured are known, and the least recently used goes first', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 2 } })
  const [a, b, c] = ['a', 'b', 'c'].map(sub => issuer.sign({ sub })) as [string, string, string]
  const [first, second] = [verifier.verifyNow(a), verifier.verifyNow(b)]
  t.equal(verifier.verifyNow(a), first)
  verifier.verifyNow(c)
  t.equal(verifier.verifyNow(a), first)
  t.not(verifier.verifyNow(b), second)
})

t.test('with a size of 0 every token is verified each time', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 0 } })
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  t.equal(describe(first), 'accepted alice')
  t.not(verifier.verifyNow(token), first)
})

t.test('forget drops exactly those that match', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const tokens = Array.from({ length: 300 }, (_, index) => issuer.sign({ sub: `user-${index}` }))
  const before = tokens.map(token => verifier.verifyNow(token))
  verifier.forget({ names: null, matches: identity => Number(identity.userId.slice('user-'.length)) % 3 !== 0 })
  const kept = tokens.map((token, index) => verifier.verifyNow(token) === before[index])
  t.same(kept, tokens.map((_, index) => index % 3 === 0))
})

const trusting = { trusts: () => true } as unknown as IssuerVerifier
const key = {} as unknown as VerificationKey

/** A cache of `count` tokens: token `t<n>` of user `u<n>`, two of them in each session `s<n / 2>`. */
function fillCache (count: number, size = count) {
  const known = createVerifiedTokens(size)
  for (let n = 0; n < count; n++) {
    const identity = identityOf(`u${n}`, {}, { tokenId: `j${n}`, sessionId: `s${n >> 1}` })
    known.remember(`t${n}`, { verdict: { ok: true, identity }, key, verifier: trusting, askedAtMs: null })
  }
  return known
}

t.test('an order visits the tokens that it names alone, however many are known', async t => {
  const known = fillCache(10_000)
  const visited: string[] = []
  const forget = (name: TokenName): void => { known.forget({ names: [name], matches: ({ userId }: Identity) => visited.push(userId) > 0 }) }
  forget({ kind: 'jti', id: 'j7' })
  forget({ kind: 'sid', id: 's10' })
  forget({ kind: 'sub', id: 'u9000' })
  forget({ kind: 'sub', id: 'j1' })
  t.same(visited, ['u7', 'u20', 'u21', 'u9000'])
  t.same(['t7', 't20', 't21', 't9000', 't8', 't22'].map(token => known.find(token) === undefined), [true, true, true, true, false, false])
  known.forget({ names: Array.from({ length: 20_000 }, (_, n) => ({ kind: 'jti', id: `j${n}` })), matches: ({ userId }) => visited.push(userId) < 0 })
  t.equal(visited.length, 4 + 9_996, 'a list longer than the cache visits each token once')
})

t.test('what left the cache is not found by its names any more, and what was remembered twice is found once', async t => {
  const known = fillCache(100, 10)
  const visited: string[] = []
  const visitAll = (names: readonly TokenName[]): void => {
    for (const name of names) known.forget({ names: [name], matches: ({ userId }) => visited.push(userId) < 0 })
  }
  visitAll(Array.from({ length: 50 }, (_, n) => ({ kind: 'sid', id: `s${n}` })))
  t.same(visited, Array.from({ length: 10 }, (_, n) => `u${90 + n}`))
  visited.length = 0
  const identity = identityOf('u99', {}, { tokenId: 'new', sessionId: 's49' })
  known.remember('t99', { verdict: { ok: true, identity }, key, verifier: trusting, askedAtMs: null })
  visitAll([{ kind: 'jti', id: 'j99' }, { kind: 'jti', id: 'new' }, { kind: 'sid', id: 's49' }])
  t.same(visited, ['u99', 'u98', 'u99'])
  known.drop('t98')
  known.drop('t99')
  visited.length = 0
  visitAll([{ kind: 'sid', id: 's49' }, { kind: 'sub', id: 'u98' }])
  t.same(visited, [])
})

t.test('refused tokens push no accepted one out', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()], { settings: { cacheSize: 1 } })
  const token = issuer.sign()
  const first = verifier.verifyNow(token)
  for (let index = 0; index < 50; index++) {
    t.match(describe(verifier.verifyNow(issuer.sign({ aud: 'elsewhere', jti: String(index) }))), /^invalid_token/)
  }
  t.equal(verifier.verifyNow(token), first)
})

t.test('a header that many tokens share is remembered without carrying anything from one token to the next', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  t.same(await offenders(['alice', 'bob'], sub => describe(verifier.verifyNow(issuer.sign({ sub }))) === `accepted ${sub}`), [])
  t.equal(describe(verifier.verifyNow(issuer.sign({ aud: 'elsewhere' }))), 'invalid_token audience')
  const [header = '', payload = ''] = issuer.sign({ sub: 'admin' }).split('.')
  t.equal(describe(verifier.verifyNow(`${header}.${payload}.${issuer.sign().split('.')[2] ?? ''}`)), 'invalid_token signature')
})

t.test('more different headers than are remembered verify all the same', async t => {
  const issuer = await startIssuer(t, fast)
  const { verifier } = await startVerifier(t, [issuer.config()])
  const verdicts = Array.from({ length: 600 }, (_, index) => describe(verifier.verifyNow(issuer.sign({}, { header: { index } }))))
  t.same([...new Set(verdicts)], ['accepted alice'])
})
