import type { IssuerConfig } from './issuer-config.js'
import type { KeySource } from './jwks.js'
import { isAllowedAlgorithm, prepareSecret, type VerificationKey } from './keys.js'
import type { PreparedKey } from './key-set.js'
import type { TokenFormat } from './token-format.js'
import type { TokenHeader } from './token-header.js'

/** The keys of one issuer, for whatever it signs. No other issuer's key is ever among them. */
export interface IssuerKeys {
  readonly config: IssuerConfig
  readonly source: KeySource
  /** The shared secret of an issuer that still signs with HS256, by explicit opt-in. */
  readonly secret: VerificationKey | null
  /** Whether this issuer may sign so at all. */
  allows (header: TokenHeader): boolean
  /** The key that a header names; null: it is not at hand. */
  find (header: TokenHeader): PreparedKey | null
}

/** Puts the published keys of one issuer and its secret, if it has one, behind one question. */
export function createIssuerKeys (config: IssuerConfig, source: KeySource): IssuerKeys {
  const secret = config.hmacSecret === null ? null : prepareSecret(config.hmacSecret)
  return {
    config,
    source,
    secret,
    allows: ({ algorithm }) => algorithm === 'HS256' ? secret !== null : isAllowedAlgorithm(algorithm, config.algorithms),
    find ({ keyId, algorithm }) {
      if (algorithm !== 'HS256') return source.current()?.find(keyId, algorithm) ?? null
      const isSigned = secret?.checks.get(algorithm)
      return secret === null || isSigned === undefined ? null : { key: secret, isSigned }
    }
  }
}

/** Whether the signature of a token (RFC 7515 section 5.2) is this key's. */
export function isSignedWith ({ isSigned }: PreparedKey, token: string, { payloadEnd }: TokenFormat): boolean {
  // Of ASCII alone, so a character is a byte.
  const signed = Buffer.from(token.slice(0, payloadEnd), 'latin1')
  return isSigned(signed, Buffer.from(token.slice(payloadEnd + 1), 'base64url'))
}
