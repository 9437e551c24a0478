import { createHash, randomUUID } from 'node:crypto'
import { computeThumbprint } from '../../src/tokens/key-thumbprint.js'
import { generateKey, signToken, type IssuerKey, type SigningAlgorithm } from './issuer.js'

/** What of a proof differs from a good one; `undefined` leaves a member out. */
export interface ProofChanges {
  readonly header?: Readonly<Record<string, unknown>>
  readonly claims?: Readonly<Record<string, unknown>>
  /** Signs in place of the key that the header names. */
  readonly signer?: IssuerKey
}

/** A client that holds a key. */
export interface DpopClient {
  readonly key: IssuerKey
  /** Thumbprint of the key, for `cnf.jkt`. */
  readonly jkt: string
  /** A proof for a POST to `target` with `token`. */
  prove (target: string, token: string, changes?: ProofChanges): string
}

export function createDpopClient (algorithm: SigningAlgorithm = 'ES256'): DpopClient {
  const key = generateKey(algorithm, 'client')
  const { kty, crv, x, y, n, e } = key.jwk
  const jwk = JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as Record<string, unknown>
  return {
    key,
    jkt: computeThumbprint(jwk) ?? '',
    prove (target, token, { header = {}, claims = {}, signer = key } = {}) {
      const ath = createHash('sha256').update(token).digest('base64url')
      return signToken(
        { typ: 'dpop+jwt', alg: algorithm, jwk, ...header },
        { jti: randomUUID(), htm: 'POST', htu: target, iat: Math.floor(Date.now() / 1000), ath, ...claims },
        signer
      )
    }
  }
}
