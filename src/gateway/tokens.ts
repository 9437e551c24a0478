import type { Config } from '../config/config.js'
import type { Audit } from '../observe/audit.js'
import type { TokenVerifier } from '../tokens/token-verifier.js'
import type { TokenVerifierDeps } from '../tokens/verify.js'
import { createTokenVerifier } from '../tokens/verify.js'

/** Puts together who checks tokens: the configured issuers' keys, and their word. */
export function composeTokens (config: Config, audit: Audit, introspection: NonNullable<TokenVerifierDeps['introspection']>): TokenVerifier {
  return createTokenVerifier(config.tokens, {
    onRefreshed: (issuer, { keys }) => { audit.jwksRefreshed(issuer, keys) },
    onFailed: (issuer, failure) => { audit.jwksFailed(issuer, failure) },
    introspection
  })
}
