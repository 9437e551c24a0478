import type { Config } from '../config/config.js'
import type { Audit } from '../observe/audit.js'
import type { IssuerKeys } from '../tokens/issuer-keys.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import type { TokenVerifierDeps } from '../tokens/verify.js'
import { createTokenVerifier } from '../tokens/verify.js'

/** Who checks tokens, and the keys of whatever else their issuers sign. */
export interface TokensPart {
  readonly tokens: TokenVerifier
  /** None where a program checks tokens itself. They end with the verifier. */
  readonly issuerKeys: readonly IssuerKeys[]
}

/** Puts together who checks tokens: the configured issuers' keys and their word, or the program's own way. */
export function composeTokens (
  config: Config, audit: Audit, own: TokenVerifier | null, introspection: () => NonNullable<TokenVerifierDeps['introspection']>
): TokensPart {
  if (own !== null) return { tokens: own, issuerKeys: [] }
  const tokens = createTokenVerifier(config.tokens, {
    onRefreshed: (issuer, { keys }) => { audit.jwksRefreshed(issuer, keys) },
    onFailed: (issuer, failure) => { audit.jwksFailed(issuer, failure) },
    introspection: introspection()
  })
  return { tokens, issuerKeys: tokens.issuerKeys }
}
