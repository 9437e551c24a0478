import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import type { TokenProof } from '../tokens/token-verifier.js'

/** What a ticket stands for: a token, and the key whose proof came with it. */
export interface TicketedToken extends TokenProof {
  readonly token: string
}

const ALGORITHM = 'aes-256-gcm'
const IV_BYTES = 12
const TAG_BYTES = 16

/** A key that nobody has but who has the ticket (HKDF, RFC 5869). */
const deriveKey = (ticket: string): Uint8Array => new Uint8Array(hkdfSync('sha256', ticket, '', 'portcullis ticketed token', 32))

/** Encrypts a token (AES-256-GCM) with a key made of its ticket: what the store holds tells nothing. Base64url. */
export function sealToken (ticket: string, { token, jkt }: TicketedToken): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv(ALGORITHM, deriveKey(ticket), iv)
  const sealed = Buffer.concat([cipher.update(JSON.stringify({ token, jkt })), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Decrypts what `sealToken` made with this ticket; null for anything else. */
export function unsealToken (ticket: string, text: string): TicketedToken | null {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length <= IV_BYTES + TAG_BYTES) return null
  try {
    const decipher = createDecipheriv(ALGORITHM, deriveKey(ticket), bytes.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
    const text = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString()
    return JSON.parse(text) as TicketedToken
  } catch {
    return null
  }
}
