import { generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto'
import type { ByKind } from '../kinds.js'

/** An issuer inside the process, for development: keys made at start, real RS256 tokens, a real JWKS. */
export interface DevIssuer {
  readonly issuer: string
  readonly audience: string
  /** The JWKS document as JSON. */
  jwks (): string
  sign (claims: DevClaims): string
}

/** What a token says. For each kind: `*` or ids. */
export interface DevClaims extends ByKind<readonly string[] | '*'> {
  readonly sub: string
  readonly scope: string
  readonly ttlS: number
}

const KEY_BITS = 2048

/** Makes an issuer whose tokens end with the process: its private key is nowhere but in memory. */
export function createDevIssuer (issuer: string, audience: string): DevIssuer {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: KEY_BITS })
  const kid = randomUUID()
  return {
    issuer,
    audience,
    jwks: () => JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }] }),
    sign: claims => signToken(privateKey, kid, issuer, audience, claims)
  }
}

function signToken (key: KeyObject, kid: string, issuer: string, audience: string, { sub, scope, ttlS, ...allowed }: DevClaims): string {
  const issuedAt = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, aud: audience, sub, iat: issuedAt, exp: issuedAt + ttlS, jti: randomUUID(), ...allowed, scope }
  const signed = [{ alg: 'RS256', typ: 'JWT', kid }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${signed}.${sign('RSA-SHA256', Buffer.from(signed), key).toString('base64url')}`
}
