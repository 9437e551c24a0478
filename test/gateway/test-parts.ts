import type { Identity } from '../../src/tokens/identity.js'
import type { TokenVerifier } from '../../src/tokens/token-verifier.js'
import { identityOf } from '../access/identity-of.js'

/** Believes every token to be the name of its user, with the scope to send. */
export function createTestTokens (): TokenVerifier {
  const verify = (token: string): { ok: true, identity: Identity } => ({
    ok: true, identity: identityOf(token, {}, { issuer: 'test', scopes: new Set(['ws:send']) })
  })
  return {
    verifyNow: verify,
    verify: async (token) => verify(token),
    start: async () => {},
    status: () => [{ name: 'test', tried: true, usable: true, ageS: 0, fetches: { ok: 1, failed: 0 } }],
    forget: () => {},
    close: () => {}
  }
}
