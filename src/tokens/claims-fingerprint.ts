import { createHash } from 'node:crypto'
import type { Identity } from './identity.js'

/** An identity is shared by every connection with the same token. */
const known = new WeakMap<Identity, string>()

/**
 * The one definition of "the same claims": two identities have the same text exactly when issuer, user and every claim are the same, in
 * whatever order the claims stand. Policies may read any claim (organization, role, assurance): two claims sets with one `sub`
 * are two users here.
 */
export function fingerprintClaims (identity: Identity): string {
  let fingerprint = known.get(identity)
  if (fingerprint === undefined) {
    const text = JSON.stringify([identity.issuer, identity.userId, identity.claims], sortMembers)
    fingerprint = createHash('sha256').update(text).digest('base64')
    known.set(identity, fingerprint)
  }
  return fingerprint
}

function sortMembers (_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  // From entries, so that a member named __proto__ stays a member.
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
}
