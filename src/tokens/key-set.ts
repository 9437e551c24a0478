import { importKey, type SkippedKey, type VerificationKey } from './keys.js'
import type { SignatureCheck } from './signatures.js'
import { isObject } from './token-format.js'

/** A key and the algorithm of one token header. */
export interface PreparedKey {
  readonly key: VerificationKey
  readonly isSigned: SignatureCheck
}

/** The usable keys of one issuer at one moment. Never changed: a refresh puts another set in its place. */
export interface KeySet {
  readonly size: number
  /** The key for a `kid` and algorithm (RFC 7515 section 4.1.4); without a `kid`, the only key for that algorithm. */
  find (keyId: string | null, algorithm: string): PreparedKey | null
  has (key: VerificationKey): boolean
  /** Whether the issuer publishes a key of this `kid`, one that we can use or not, or has taken one back. */
  knows (keyId: string): boolean
  /** The keys by fingerprint, for the set that comes next. */
  readonly byFingerprint: ReadonlyMap<string, VerificationKey>
  /** Raw header segments of tokens that verified, and what verified them: ends with the set. */
  readonly byHeader: Map<string, PreparedKey>
}

/** How many published keys were not used, by reason. */
export type SkippedKeys = Readonly<Partial<Record<SkippedKey | 'ambiguous', number>>>

/**
 * Makes the set of the keys among those published that `algorithms` can use; `previous` lends the keys that stay. `withdrawn`: ids of
 * keys that were taken back.
 */
export function buildKeySet (
  published: readonly unknown[], algorithms: readonly string[], previous: ReadonlyMap<string, VerificationKey>,
  withdrawn: ReadonlySet<string> = new Set()
): { readonly keys: KeySet, readonly skipped: SkippedKeys } {
  const skipped: Partial<Record<SkippedKey | 'ambiguous', number>> = {}
  const byFingerprint = new Map<string, VerificationKey>()
  const keyIds = new Set(published.map(jwk => isObject(jwk) ? jwk['kid'] : undefined))
  for (const jwk of published) {
    const key = importKey(jwk, algorithms, previous)
    if (typeof key === 'string') skipped[key] = (skipped[key] ?? 0) + 1
    else byFingerprint.set(key.fingerprint, key)
  }
  const ambiguous = findAmbiguous(byFingerprint.values())
  for (const key of ambiguous) byFingerprint.delete(key.fingerprint)
  if (ambiguous.size > 0) skipped.ambiguous = ambiguous.size
  return { keys: createKeySet(byFingerprint, keyId => keyIds.has(keyId) || withdrawn.has(keyId)), skipped }
}

// Two keys under one kid: nobody can say which is meant, and trying each would multiply the price of a forged token.
function findAmbiguous (keys: Iterable<VerificationKey>): ReadonlySet<VerificationKey> {
  const holders = new Map<string, VerificationKey>()
  const ambiguous = new Set<VerificationKey>()
  for (const key of keys) {
    if (key.keyId === null) continue
    for (const algorithm of key.checks.keys()) {
      const holder = holders.get(`${algorithm} ${key.keyId}`)
      if (holder === undefined) holders.set(`${algorithm} ${key.keyId}`, key)
      else ambiguous.add(holder).add(key)
    }
  }
  return ambiguous
}

function createKeySet (byFingerprint: ReadonlyMap<string, VerificationKey>, knows: KeySet['knows']): KeySet {
  const byAlgorithm = new Map<string, Array<{ keyId: string | null, prepared: PreparedKey }>>()
  for (const key of byFingerprint.values()) {
    for (const [algorithm, isSigned] of key.checks) {
      const candidates = byAlgorithm.get(algorithm) ?? []
      candidates.push({ keyId: key.keyId, prepared: { key, isSigned } })
      byAlgorithm.set(algorithm, candidates)
    }
  }
  return {
    size: byFingerprint.size,
    find: (keyId, algorithm) => {
      const candidates = byAlgorithm.get(algorithm) ?? []
      const wanted = keyId === null ? candidates : candidates.filter(each => each.keyId === keyId)
      return wanted.length === 1 && wanted[0] !== undefined ? wanted[0].prepared : null
    },
    has: key => byFingerprint.get(key.fingerprint) === key,
    knows,
    byFingerprint,
    byHeader: new Map()
  }
}
