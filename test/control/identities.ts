import type { Identity } from '../../src/tokens/identity.js'

/** A verified identity of `alice` at `main`, with what the test needs. */
export function identity (more: Partial<Identity> = {}): Identity {
  return {
    userId: 'alice',
    subject: 'alice',
    issuer: 'main',
    claims: {},
    expiresAtMs: 4_000_000_000_000,
    issuedAtMs: 1_000_000,
    tokenId: 'token-1',
    sessionId: 'session-1',
    scopes: new Set(),
    confirmation: null,
    insecure: false,
    ...more
  }
}
