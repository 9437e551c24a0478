import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createResumePasses, MAX_PASS_LIFE_MS, type ResumePasses } from '../../src/connection/resume-pass.js'
import type { Identity } from '../../src/tokens/identity.js'
import { identityOf } from '../access/identity-of.js'
import { offenders } from '../support/offenders.js'

const KEY = randomBytes(32)
const ALICE = identityOf('alice')
const OFFICE = '192.0.2.1'
const NOW = 1_800_000_000_000

const makePasses = (at = NOW, keys: readonly Buffer[] = [KEY]): ResumePasses => createResumePasses({ keys: () => keys, now: () => at })
const issue = (identity: Identity = ALICE, address = OFFICE, lifeMs = 60_000): string => makePasses().issue(identity, address, lifeMs) ?? ''

t.test('a pass is genuine at any process with the key, for its own user and address', async (t) => {
  const text = issue()
  t.match(text, /^[A-Za-z0-9_-]{116}$/, 'nothing in it needs an escape in a URL')
  const pass = makePasses(NOW + 59_999).judge(text, OFFICE)
  t.ok(pass?.isFor(ALICE))
  t.match(pass?.resume.nonce, /^[A-Za-z0-9_-]{22}$/)
  t.notOk(pass?.isFor(identityOf('bob')))
  t.notOk(pass?.isFor(identityOf('alice', {}, { issuer: 'other' })))
  t.notOk(pass?.isFor({ ...ALICE, insecure: true }), 'without a token nobody is who the pass is for')
})

t.test('it is worth nothing at another address, under another key, or when it has ended', async (t) => {
  const text = issue()
  t.same(await offenders(['192.0.2.2', '192.0.2.11', '192.0.2', '', '2001:db8::/64'], address => makePasses().judge(text, address) === null), [])
  t.equal(makePasses(NOW, [randomBytes(32)]).judge(text, OFFICE), null)
  t.equal(makePasses(NOW, []).judge(text, OFFICE), null)
  t.equal(makePasses(NOW + 60_000).judge(text, OFFICE), null)
})

t.test('while a key is changed, the first makes passes and both are believed', async (t) => {
  const next = randomBytes(32)
  const [before, during, after] = [makePasses(NOW, [KEY]), makePasses(NOW, [next, KEY]), makePasses(NOW, [next])]
  const [old, made] = [before.issue(ALICE, OFFICE, 60_000) ?? '', during.issue(ALICE, OFFICE, 60_000) ?? '']
  t.ok(during.judge(old, OFFICE)?.isFor(ALICE))
  t.ok(during.judge(made, OFFICE)?.isFor(ALICE))
  t.ok(after.judge(made, OFFICE)?.isFor(ALICE))
  t.equal(before.judge(made, OFFICE), null)
})

t.test('it never lives longer than two minutes, nor is one believed that would', async (t) => {
  const text = issue(ALICE, OFFICE, 3_600_000)
  t.ok(makePasses(NOW + MAX_PASS_LIFE_MS - 1).judge(text, OFFICE))
  t.equal(makePasses(NOW + MAX_PASS_LIFE_MS).judge(text, OFFICE), null)
  t.equal(makePasses(NOW - 1).judge(text, OFFICE), null, 'made by a clock that is ahead: its nonce would be forgotten before it ends')
})

t.test('its nonce is remembered for longer than it lives, and for two minutes at most', async (t) => {
  t.equal(makePasses().judge(issue(), OFFICE)?.resume.ttlMs, 70_000)
  t.equal(makePasses(NOW + 59_999).judge(issue(), OFFICE)?.resume.ttlMs, 10_001)
  t.equal(makePasses().judge(issue(ALICE, OFFICE, MAX_PASS_LIFE_MS), OFFICE)?.resume.ttlMs, 120_000)
})

t.test('no bit of it can be changed', async (t) => {
  const text = issue()
  const bytes = Buffer.from(text, 'base64url')
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes)
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    if (makePasses().judge(changed.toString('base64url'), OFFICE) !== null) t.fail(`bit ${bit}`)
  }
  for (const noise of ['', 'garbage', `${text}A`, text.slice(1), `${text}=`, ` ${text}`, text.replace(/./, '+'), 'A'.repeat(116), 'é'.repeat(116)]) {
    t.equal(makePasses().judge(noise, OFFICE), null, noise)
  }
})

t.test('no two users of whatever issuers share a pass', async (t) => {
  const names = fc.string({ unit: 'binary', maxLength: 4 })
  const holders: Array<readonly [string, string]> = [['\ud800', 'x'], ['\udfff', 'x'], ['\ufffd', 'x'], ['a', 'bc'], ['ab', 'c'], ['', 'abc'], ['abc', '']]
  const held = ([issuer, userId]: readonly [string, string]): Identity => identityOf(userId, {}, { issuer })
  for (const mine of holders) {
    const pass = makePasses().judge(issue(held(mine)), OFFICE)
    t.same(await offenders(holders, other => pass?.isFor(held(other)) === (other === mine)), [])
  }
  fc.assert(fc.property(names, names, names, names, (issuer, user, otherIssuer, otherUser) => {
    const pass = makePasses().judge(issue(held([issuer, user])), OFFICE)
    return pass?.isFor(held([otherIssuer, otherUser])) === (issuer === otherIssuer && user === otherUser)
  }))
})

t.test('every pass is one of its own', async (t) => {
  const nonces = Array.from({ length: 100 }, () => makePasses().judge(issue(), OFFICE)?.resume.nonce)
  t.equal(new Set(nonces).size, 100)
})

t.test('a process believes one pass a few times only: it is spent beside a verified token, not before', async (t) => {
  const passes = makePasses()
  const text = issue()
  const believed = Array.from({ length: 50 }, () => passes.judge(text, OFFICE)).filter(pass => pass !== null).length
  t.equal(believed, 5)
  t.ok(passes.judge(issue(), OFFICE), 'others are not concerned')
})

t.test('none is made without a key, or for a break-glass connection', async (t) => {
  t.equal(makePasses(NOW, []).issue(ALICE, OFFICE, 60_000), null)
  t.equal(makePasses().issue({ ...ALICE, insecure: true }, OFFICE, 60_000), null)
})
