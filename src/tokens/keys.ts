import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import { createSignatureCheck, type SignatureCheck } from './signatures.js'
import { isObject } from './token-format.js'
import { isKeyId } from './token-header.js'

/** One key of one issuer, ready to use. */
export interface VerificationKey {
  readonly keyId: string | null
  /** Equal for the same kid, material and algorithms, and for nothing else. */
  readonly fingerprint: string
  /** One check for each algorithm that this key may be used with; never empty. */
  readonly checks: ReadonlyMap<string, SignatureCheck>
}

/** Why a published key is not used. */
export type SkippedKey = 'malformed' | 'not_public' | 'not_for_signatures' | 'unsupported' | 'weak'

const RSA_ALGORITHMS: readonly string[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
/** RFC 9864 names the curve that `EdDSA` leaves open; with a key of that curve both names mean the same. */
const ED25519_ALGORITHMS: readonly string[] = ['EdDSA', 'Ed25519']
const CURVE_ALGORITHMS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['P-256', ['ES256']], ['P-384', ['ES384']], ['P-521', ['ES512']], ['Ed25519', ED25519_ALGORITHMS]
])
const SECRET_MEMBERS = ['k', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'oth']
const MIN_MODULUS_BITS = 2048
/** Above this one verification costs a millisecond and more. */
const MAX_MODULUS_BITS = 8192
const MAX_PUBLIC_EXPONENT = 0xffffffffn

/**
 * Prepares one published key (RFC 7517 section 4) for the algorithms that fit its type, its curve, its own `alg` and
 * those asymmetric ones that the issuer may use. `known` gives back the key of an earlier set when it is the same one.
 */
export function importKey (
  jwk: unknown, allowed: readonly string[], known: ReadonlyMap<string, VerificationKey>
): VerificationKey | SkippedKey {
  if (!isObject(jwk)) return 'malformed'
  const keyId = jwk['kid'] ?? null
  if (keyId !== null && !isKeyId(keyId)) return 'malformed'
  if (jwk['kty'] === 'oct' || SECRET_MEMBERS.some(member => jwk[member] !== undefined)) return 'not_public'
  if (!isForSignatures(jwk)) return 'not_for_signatures'
  const algorithms = algorithmsOf(jwk, allowed)
  if (algorithms.length === 0) return 'unsupported'
  const key = readPublicKey(jwk)
  if (key === null) return 'malformed'
  if (isWeak(key)) return 'weak'
  const pem = key.export({ type: 'spki', format: 'pem' }).toString()
  const fingerprint = JSON.stringify([keyId, algorithms, pem])
  return known.get(fingerprint) ?? prepareKey(keyId, fingerprint, key, algorithms)
}

/**
 * Prepares the shared secret of an issuer that still signs with HS256. It is text from the settings, never a published
 * key, and no published key ever gets an HMAC algorithm.
 */
export function prepareSecret (secret: string): VerificationKey {
  return prepareKey(null, 'secret', createSecretKey(Buffer.from(secret)), ['HS256'])
}

function prepareKey (keyId: string | null, fingerprint: string, key: KeyObject, algorithms: readonly string[]): VerificationKey {
  const checks = algorithms.map(algorithm => [algorithm, createSignatureCheck(algorithm, key)] as const)
  return { keyId, fingerprint, checks: new Map(checks) }
}

function isForSignatures (jwk: Record<string, unknown>): boolean {
  const { use, key_ops: operations } = jwk
  if (use !== undefined && use !== 'sig') return false
  return operations === undefined || (Array.isArray(operations) && operations.includes('verify'))
}

function algorithmsOf (jwk: Record<string, unknown>, allowed: readonly string[]): readonly string[] {
  const { kty, crv, alg } = jwk
  const fitting = kty === 'RSA' ? RSA_ALGORITHMS : CURVE_ALGORITHMS.get(crv) ?? []
  const isAlias = typeof alg === 'string' && ED25519_ALGORITHMS.includes(alg)
  const isItsOwn = (each: string): boolean => alg === undefined || alg === each || (isAlias && ED25519_ALGORITHMS.includes(each))
  return fitting.filter(each => isAllowedAlgorithm(each, allowed) && isItsOwn(each))
}

/** Whether an algorithm is among those that an issuer may use; `EdDSA` there stands for its newer name `Ed25519` too. */
export function isAllowedAlgorithm (algorithm: string, allowed: readonly string[]): boolean {
  return allowed.includes(algorithm) || (algorithm === 'Ed25519' && allowed.includes('EdDSA'))
}

/** Only the members that make up the public key are handed over; a curve of another key type is an error here. */
function readPublicKey ({ kty, n, e, crv, x, y }: Record<string, unknown>): KeyObject | null {
  try {
    return createPublicKey({ format: 'jwk', key: { kty, n, e, crv, x, y } as JsonWebKey })
  } catch {
    return null
  }
}

function isWeak (key: KeyObject): boolean {
  if (key.asymmetricKeyType !== 'rsa') return false
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < MIN_MODULUS_BITS || modulusLength > MAX_MODULUS_BITS) return true
  // With an exponent of 1 anybody can sign.
  return publicExponent < 3n || publicExponent % 2n === 0n || publicExponent > MAX_PUBLIC_EXPONENT
}
