import { createHash, timingSafeEqual } from 'node:crypto'
import { computeThumbprint } from './key-thumbprint.js'
import { importKey, type VerificationKey } from './keys.js'
import { isSameTarget } from './same-target.js'
import { decodeSegment, isObject, readTokenFormat, type TokenFormat } from './token-format.js'

/** The algorithms by which proofs may be signed: asymmetric ones (RFC 9449 section 4.3, point 5). RFC 9864 calls EdDSA `Ed25519`. */
export const PROOF_ALGORITHMS: readonly string[] = [
  'ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA', 'PS256', 'PS384', 'PS512', 'RS256', 'RS384', 'RS512'
]
/** How far the time in a proof may be from ours, before or after, in ms: clocks of clients are set by hand. */
export const PROOF_WINDOW_MS = 60_000
/** How long a proof must be remembered so that it counts once, in ms: from the earliest moment at which it is taken to the latest. */
export const PROOF_MEMORY_MS = 2 * PROOF_WINDOW_MS + 10_000

const MAX_ID_LENGTH = 512
const NO_KEYS: ReadonlyMap<string, VerificationKey> = new Map()

/** What of a proof is wrong, for the log. */
export type ProofFault =
  | 'format' | 'typ' | 'crit' | 'alg' | 'jwk' | 'signature' | 'payload' | 'jti' | 'htm' | 'htu' | 'iat' | 'exp' | 'nbf' | 'ath'

/** What a good proof says. That it was not shown before is for the caller to see. */
export interface Proof {
  /** Thumbprint of the key that signed it (RFC 7638). */
  readonly jkt: string
  /** Names this proof among all: a hash of the key and of its `jti`. */
  readonly id: string
}

/** The request that a proof must be for. */
export interface ProvenRequest {
  readonly method: string
  /** Its address, without query and fragment. */
  readonly target: string
  /** The access token beside the proof. */
  readonly token: string
  /** Wall clock, ms since the epoch. */
  readonly nowMs: number
}

/** Checks a proof of possession (RFC 9449 section 4.3, points 2 to 12; 1 is the host's, which joins header lines by commas). */
export function checkProof (text: string, request: ProvenRequest): Proof | ProofFault {
  const format = readTokenFormat(text)
  if (format === null) return 'format'
  const header = decodeSegment(text.slice(0, format.headerEnd))
  if (header === null) return 'format'
  const signer = readSigner(header)
  if (typeof signer === 'string') return signer
  if (!isSignedBy(signer.key, header, text, format)) return 'signature'
  const claims = decodeSegment(text.slice(format.headerEnd + 1, format.payloadEnd))
  if (claims === null) return 'payload'
  const fault = findFault(claims, request)
  return fault ?? { jkt: signer.jkt, id: hash(JSON.stringify([signer.jkt, claims['jti']])) }
}

function readSigner (header: Record<string, unknown>): { readonly key: VerificationKey, readonly jkt: string } | ProofFault {
  const { typ, alg, jwk, crit } = header
  if (typeof typ !== 'string' || typ.toLowerCase() !== 'dpop+jwt') return 'typ'
  if (crit !== undefined) return 'crit'
  if (typeof alg !== 'string' || !PROOF_ALGORITHMS.includes(alg)) return 'alg'
  if (!isObject(jwk)) return 'jwk'
  const key = importKey(jwk, [alg], NO_KEYS)
  const jkt = computeThumbprint(jwk)
  return typeof key === 'string' || jkt === null ? 'jwk' : { key, jkt }
}

function isSignedBy (key: VerificationKey, { alg }: Record<string, unknown>, text: string, { payloadEnd }: TokenFormat): boolean {
  const isSigned = key.checks.get(String(alg))
  // Of ASCII alone, so a character is a byte.
  const signed = Buffer.from(text.slice(0, payloadEnd), 'latin1')
  return isSigned?.(signed, Buffer.from(text.slice(payloadEnd + 1), 'base64url')) === true
}

function findFault (claims: Record<string, unknown>, { method, target, token, nowMs }: ProvenRequest): ProofFault | null {
  const { jti, htm, htu, iat, exp, nbf, ath } = claims
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_ID_LENGTH) return 'jti'
  if (htm !== method) return 'htm'
  if (typeof htu !== 'string' || !isSameTarget(htu, target)) return 'htu'
  if (typeof iat !== 'number' || !Number.isFinite(iat) || Math.abs(nowMs - iat * 1000) > PROOF_WINDOW_MS) return 'iat'
  // Neither need be there; one that is holds (RFC 7519 sections 4.1.4 and 4.1.5), by the same clock as `iat`.
  if (exp !== undefined && !(typeof exp === 'number' && exp * 1000 + PROOF_WINDOW_MS > nowMs)) return 'exp'
  if (nbf !== undefined && !(typeof nbf === 'number' && nbf * 1000 - PROOF_WINDOW_MS <= nowMs)) return 'nbf'
  return typeof ath === 'string' && isEqual(ath, hash(token)) ? null : 'ath'
}

function hash (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function isEqual (a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}
