import { createSecretKey, randomUUID, type KeyObject } from 'node:crypto'
import { createVerifier, type Algorithm } from 'fast-jwt'
import { jwtVerify } from 'jose'
import { DIRECT } from '../../src/tokens/issuer-route.js'
import t from 'tap'
import { buildKeySet, type KeySet } from '../../src/tokens/key-set.js'
import { createIssuerVerifier } from '../../src/tokens/issuer-verifier.js'
import type { KeySource } from '../../src/tokens/jwks.js'
import { ecdsaToDer } from '../../src/tokens/ecdsa-to-der.js'
import { readTokenFormat } from '../../src/tokens/token-format.js'
import { createRandom, type Random } from '../attacks/random.js'
import { encodeSegment, generateKey, signHmacToken, signToken, type IssuerKey, type SigningAlgorithm } from '../support/issuer.js'

const TOKENS = 6000
const SEED = 20261127
const ISSUER = 'https://issuer.example'
const AUDIENCE = 'portcullis'
const SECRET = randomUUID() + randomUUID()
const ALGORITHMS: readonly SigningAlgorithm[] = ['RS256', 'RS384', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA']

/** One algorithm with its key, and who judges its tokens. */
interface Subject {
  readonly alg: string
  readonly key: IssuerKey | null
  /** Of the same kind, and not published. */
  readonly otherKey: IssuerKey | null
  readonly sign: (header: object, claims: unknown) => string
  /** The fault, or `accepted`. */
  readonly ours: (token: string) => string
  /** Whether the others take it. */
  readonly others: (token: string) => Promise<{ readonly fastJwt: boolean, readonly jose: boolean }>
}

function judgeOurs (algorithms: readonly string[], keys: KeySet | null, hmacSecret: string | null): Subject['ours'] {
  const source: KeySource = {
    current: () => keys, refresh: () => null, waitMs: () => 0, close () {}, status: () => { throw new Error('not asked for here') }
  }
  const issuer = {
    name: 'main', preset: 'oidc', issuer: ISSUER, audience: [AUDIENCE], jwksUri: null, algorithms, hmacSecret, introspection: null
  } as const
  const jwks = { maxAgeMs: 1, cooldownMs: 1, maxStaleMs: 1, timeoutMs: 1 }
  const settings = { issuers: [issuer], clockToleranceMs: 5000, maxLifetimeMs: 86_400_000, cacheSize: 0, jwks, route: DIRECT }
  const verifier = createIssuerVerifier(issuer, settings, source)
  return (token) => {
    const format = readTokenFormat(token)
    if (format === null) return 'format'
    const verdict = verifier.check(token, format, Date.now())
    if (verdict.kind === 'verified') return 'accepted'
    return verdict.kind === 'fault' ? verdict.fault : verdict.kind
  }
}

function judgeOthers (alg: string, material: string, key: KeyObject): Subject['others'] {
  const verify = createVerifier({
    key: material, algorithms: [alg as Algorithm], allowedIss: ISSUER, allowedAud: AUDIENCE, requiredClaims: ['exp', 'sub', 'iss'], cache: false
  }) as (token: string) => unknown
  const options = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE, requiredClaims: ['exp', 'sub', 'iss'] }
  return async token => ({
    fastJwt: await Promise.resolve().then(() => verify(token)).then(() => true, () => false),
    jose: await jwtVerify(token, key, options).then(() => true, () => false)
  })
}

function makeSubjects (): Subject[] {
  const published = ALGORITHMS.map((alg): Subject => {
    const key = generateKey(alg, `key-${alg}`)
    const { keys } = buildKeySet([key.jwk], [alg], new Map())
    return {
      alg,
      key,
      otherKey: generateKey(alg, key.kid),
      sign: (header, claims) => signToken({ alg, typ: 'JWT', kid: key.kid, ...header }, claims, key),
      ours: judgeOurs([alg], keys, null),
      others: judgeOthers(alg, key.publicKey.export({ type: 'spki', format: 'pem' }).toString(), key.publicKey)
    }
  })
  return [...published, {
    alg: 'HS256',
    key: null,
    otherKey: null,
    sign: (header, claims) => signHmacToken({ alg: 'HS256', typ: 'JWT', ...header }, claims, SECRET),
    ours: judgeOurs([], null, SECRET),
    others: judgeOthers('HS256', SECRET, createSecretKey(Buffer.from(SECRET)))
  }]
}

const claims = (): Record<string, unknown> => {
  const nowS = Math.floor(Date.now() / 1000)
  return { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: nowS, exp: nowS + 300 }
}
type Parts = [header: string, payload: string, signature: string]
const split = (token: string): Parts => token.split('.') as Parts
const bytesOf = (segment: string): Buffer => Buffer.from(segment, 'base64url')

/** One token after a change of its bytes: `of` is what changes. */
function flipped (random: Random, token: string, at: 0 | 1 | 2): string {
  const parts = split(token)
  const bytes = bytesOf(parts[at])
  const place = random.below(bytes.length)
  bytes.writeUInt8(bytes.readUInt8(place) ^ (1 << random.below(8)), place)
  parts[at] = bytes.toString('base64url')
  return parts.join('.')
}

function withSignature (token: string, change: (signature: Buffer) => Buffer): string {
  const [header, payload, signature] = split(token)
  return [header, payload, change(bytesOf(signature)).toString('base64url')].join('.')
}

const zeros = (length: number): Buffer => Buffer.alloc(length)
function halves (signature: Buffer): [Buffer, Buffer] {
  return [signature.subarray(0, signature.length / 2), signature.subarray(signature.length / 2)]
}

/** Ways to make a token, by name. */
const WAYS: Readonly<Record<string, (random: Random, subject: Subject, others: readonly Subject[]) => string>> = {
  good: (random, { sign }) => sign({}, { ...claims(), n: random.below(1e9), text: random.bytes(random.below(40)).toString('latin1') }),
  'header changed': (random, { sign }) => flipped(random, sign({}, claims()), 0),
  'payload changed': (random, { sign }) => flipped(random, sign({}, claims()), 1),
  'signature changed': (random, { sign }) => flipped(random, sign({}, claims()), 2),
  'signature cut': (random, { sign }) => withSignature(sign({}, claims()), bytes => bytes.subarray(0, bytes.length - 1 - random.below(bytes.length))),
  'signature longer': (random, { sign }) => withSignature(sign({}, claims()), bytes => Buffer.concat([bytes, random.bytes(1 + random.below(4))])),
  'zeros in front': (random, { sign }) => withSignature(sign({}, claims()), bytes => Buffer.concat([zeros(1 + random.below(3)), bytes])),
  'signature of zeros': (_, { sign }) => withSignature(sign({}, claims()), ({ length }) => zeros(length)),
  'signature of ones': (_, { sign }) => withSignature(sign({}, claims()), ({ length }) => Buffer.alloc(length, 0xff)),
  'signature by chance': (random, { sign }) => withSignature(sign({}, claims()), ({ length }) => random.bytes(length)),
  'one half of zeros': (random, { sign }) => withSignature(sign({}, claims()), (bytes) => {
    const [r, s] = halves(bytes)
    return Buffer.concat(random.chance(0.5) ? [zeros(r.length), s] : [r, zeros(s.length)])
  }),
  'halves swapped': (_, { sign }) => withSignature(sign({}, claims()), bytes => Buffer.concat(halves(bytes).reverse())),
  'in DER': (_, { alg, sign }) => withSignature(sign({}, claims()), bytes => alg.startsWith('ES') ? ecdsaToDer(bytes) : zeros(1)),
  'of another token': (_, { sign }) => {
    const [header, payload] = split(sign({}, claims()))
    return [header, payload, split(sign({}, { ...claims(), sub: 'bob' }))[2]].join('.')
  },
  'of another key': (_, { alg, otherKey }) =>
    otherKey === null ? signHmacToken({ alg }, claims(), SECRET + ' ') : signToken({ alg, kid: otherKey.kid }, claims(), otherKey),
  'named after another algorithm': (random, { sign }, others) => sign({ alg: random.pick(others).alg }, claims()),
  'signed with the public key as a secret': (random, { key, alg }) => {
    const pem = key?.publicKey.export({ type: 'spki', format: 'pem' }).toString() ?? 'secret'
    return signHmacToken({ alg: random.pick([alg, 'HS256', 'HS512']), kid: key?.kid }, claims(), pem)
  },
  unsigned: (random, { sign }) => `${encodeSegment({ alg: random.pick(['none', 'None', 'NONE', '']) })}.${split(sign({}, claims()))[1]}.AA`,
  'of another issuer': (random, { sign }) => sign({}, { ...claims(), iss: random.pick<unknown>(['https://other.example', `${ISSUER}/`, 7, null, [ISSUER], {}]) }),
  'a claim left out': (random, { sign }) => sign({}, { ...claims(), [random.pick(['iss', 'sub', 'exp'])]: undefined }),
  'no claims': (random, { sign }) => sign({}, random.pick<unknown>(['[]', 'null', '7', '"text"', '{', '', [claims()]]))
}

/** Where we refuse what others take: our own rules, checked elsewhere by name. */
const STRICTER = new Set(['format', 'header_type', 'critical_header', 'key_id', 'payload', 'subject'])

t.test(`of ${TOKENS} tokens, good and bad, ours are taken by fast-jwt and jose, and theirs by us`, async (t) => {
  const random = createRandom(SEED)
  const subjects = makeSubjects()
  const wrong: string[] = []
  const counts = { accepted: 0, refused: 0 }
  for (let n = 0; n < TOKENS; n++) {
    const subject = random.pick(subjects)
    const way = n % 4 === 0 ? 'good' : random.pick(Object.keys(WAYS))
    const token = WAYS[way]?.(random, subject, subjects) ?? ''
    const [ours, { fastJwt, jose }] = [subject.ours(token), await subject.others(token)]
    counts[ours === 'accepted' ? 'accepted' : 'refused']++
    const agrees = ours === 'accepted' ? fastJwt && jose : STRICTER.has(ours) || (!fastJwt && !jose)
    if (!agrees) wrong.push(`${subject.alg}, ${way}: ${ours}, fast-jwt ${fastJwt}, jose ${jose}: ${token}`)
  }
  t.same(wrong, [])
  t.ok(counts.accepted > TOKENS / 5 && counts.refused > TOKENS / 3, JSON.stringify(counts))
})
