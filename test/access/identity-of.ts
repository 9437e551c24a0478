import type { Identity } from '../../src/tokens/identity.js'

/** An identity as a verified token makes it; `more` changes what the test is about. */
export function identityOf (subject: string, claims: Record<string, unknown> = {}, more: Partial<Identity> = {}): Identity {
  return {
    userId: subject,
    subject,
    issuer: 'main',
    claims: { sub: subject, ...claims },
    expiresAtMs: 4_000_000_000_000,
    issuedAtMs: null,
    tokenId: null,
    sessionId: null,
    scopes: new Set(),
    confirmation: null,
    insecure: false,
    ...more
  }
}
