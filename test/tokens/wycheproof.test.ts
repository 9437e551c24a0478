import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { importKey } from '../../src/tokens/keys.js'
import { createSignatureCheck } from '../../src/tokens/signatures.js'
import { readTokenFormat } from '../../src/tokens/token-format.js'
import { readTokenHeader } from '../../src/tokens/token-header.js'
import { PROJECT } from '../support/root.js'

type Result = 'valid' | 'invalid' | 'acceptable'
interface SignatureCases {
  readonly algorithm: string
  readonly groups: ReadonlyArray<{
    readonly jwk?: JsonWebKey
    readonly pem?: string
    readonly secret?: string
    readonly tests: ReadonlyArray<readonly [id: number, result: Result, message: string, signature: string]>
  }>
}
interface TokenCases {
  readonly groups: ReadonlyArray<{
    readonly about: string
    readonly jwk: Record<string, unknown>
    readonly tests: ReadonlyArray<readonly [id: number, result: Result, about: string, token: string]>
  }>
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']
const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`test/fixtures/wycheproof/${name}.json`, PROJECT), 'utf8'))

function keyOf ({ jwk, pem, secret }: SignatureCases['groups'][number]): KeyObject {
  if (secret !== undefined) return createSecretKey(Buffer.from(secret, 'hex'))
  return jwk === undefined ? createPublicKey(pem ?? '') : createPublicKey({ format: 'jwk', key: jwk })
}

/** Cases that came out otherwise, and how many there were of each result. */
function judge ({ algorithm, groups }: SignatureCases): { readonly wrong: string[], readonly valid: number, readonly invalid: number } {
  const wrong: string[] = []
  const counts = { valid: 0, invalid: 0 }
  for (const group of groups) {
    const isSigned = createSignatureCheck(algorithm, keyOf(group))
    for (const [id, result, message, signature] of group.tests) {
      // Those leave it to who reads them, such as an RSA signature whose digest lacks its empty parameters.
      if (result === 'acceptable') continue
      counts[result]++
      if (isSigned(Buffer.from(message, 'hex'), Buffer.from(signature, 'hex')) !== (result === 'valid')) wrong.push(`${algorithm} ${id}`)
    }
  }
  return { wrong, ...counts }
}

for (const algorithm of [...ALGORITHMS, 'HS256']) {
  t.test(`${algorithm}: each signature that is right is taken, and no other`, async (t) => {
    const { wrong, valid, invalid } = judge(read(algorithm) as SignatureCases)
    t.same(wrong, [])
    t.ok(valid > 5 && invalid > 40, `${valid} right and ${invalid} wrong ones`)
  })
}

/** What comes out otherwise than the cases say, by their ids. */
const OTHERWISE = new Map<number, string>([
  // An access token is not without claims.
  ...[259, 264, 268, 272, 320, 325].map(id => [id, 'format'] as const),
  // The key is bound to an algorithm, PS256, that is not the token's.
  [346, 'algorithm'], [350, 'algorithm'],
  // The key is bound to ES521, which is none: RFC 7520 has misspelled it.
  [347, 'unsupported'], [351, 'unsupported'],
  // A character outside the alphabet, which a lenient decoder passes over.
  [372, 'format'], [373, 'format'],
  // The padding that the two are named after is not there: they are right.
  [367, 'taken'], [370, 'taken']
])

/** What becomes of a token whose issuer has published one key, or has one secret; `taken`: its signature is right. */
function check (jwk: Record<string, unknown>, token: string): string {
  const format = readTokenFormat(token)
  if (format === null) return 'format'
  const header = readTokenHeader(token.slice(0, format.headerEnd))
  if (typeof header === 'string') return header
  const { kty, k } = jwk
  const key = kty === 'oct' && typeof k === 'string'
    ? { keyId: null, checks: new Map([['HS256', createSignatureCheck('HS256', createSecretKey(k, 'base64url'))]]) }
    : importKey(jwk, ALGORITHMS, new Map())
  if (typeof key === 'string') return key
  const isSigned = key.checks.get(header.algorithm)
  if (isSigned === undefined) return 'algorithm'
  const signature = Buffer.from(token.slice(format.payloadEnd + 1), 'base64url')
  return isSigned(Buffer.from(token.slice(0, format.payloadEnd)), signature) ? 'taken' : 'signature'
}

t.test('whole tokens: each that is right is taken, and no other', async (t) => {
  const found: string[] = []
  let [taken, refused] = [0, 0]
  for (const { about, jwk, tests } of (read('JWS') as TokenCases).groups) {
    for (const [id, result, what, token] of tests) {
      const outcome = check(jwk, token)
      if (outcome === 'taken') taken++
      else refused++
      const otherwise = OTHERWISE.get(id)
      const isAsWanted = otherwise === undefined ? (outcome === 'taken') === (result === 'valid') : outcome === otherwise
      if (!isAsWanted) found.push(`${id} ${about} ${what}: ${result}, ${outcome}`)
    }
  }
  t.same(found, [])
  t.ok(taken > 30 && refused > 300, `${taken} taken and ${refused} refused`)
})
