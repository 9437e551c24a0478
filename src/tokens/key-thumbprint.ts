import { createHash } from 'node:crypto'

/** The members that make up a public key of each type, in the order in which they are hashed (RFC 7638 section 3.2, RFC 8037 section 2). */
const MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']], ['RSA', ['e', 'kty', 'n']], ['OKP', ['crv', 'kty', 'x']]
])

/** The SHA-256 thumbprint of a public key in base64url (RFC 7638); null for what is no key of a known type. */
export function computeThumbprint (jwk: Readonly<Record<string, unknown>>): string | null {
  const members = MEMBERS.get(jwk['kty'])
  if (members === undefined || members.some(name => typeof jwk[name] !== 'string')) return null
  const text = JSON.stringify(Object.fromEntries(members.map(name => [name, jwk[name]])))
  return createHash('sha256').update(text).digest('base64url')
}
