import { parseAddress, type ClientAddress } from '../address/client-address.js'
import type { Lease } from '../limits/limiter.js'
import type { Identity } from '../tokens/identity.js'
import { quote } from '../wire/quote.js'

/** What is kept beside a lease: all that a survivor of this process needs to write the connection's closed line. Nothing secret. */
export interface LeaseRecord {
  readonly userId: string
  readonly address: ClientAddress
  readonly issuer: string | null
  readonly path: string
  readonly insecure: boolean
  /** Ms since the epoch, by the clock of the process that has the connection. */
  readonly acceptedAtMs: number
}

/** Whose slots a connection takes. No token can hold NUL in its subject, so no user can take or fill those of `anonymous`. */
export function leaseOwner ({ insecure, userId }: Pick<Identity, 'insecure' | 'userId'>, { key }: ClientAddress): string {
  return insecure ? `anonymous\0${key}` : userId
}

/** Writes the record of a connection that is about to be let in: one flat JSON array. */
export function writeLeaseRecord (identity: Identity, { ip }: ClientAddress, path: string, acceptedAtMs: number): string {
  const { userId, issuer, insecure } = identity
  return `[${quote(userId)},${quote(ip)},${insecure ? 'null' : quote(issuer)},${quote(path)},${insecure ? 1 : 0},${acceptedAtMs}]`
}

/** The lease of a connection. Its record is written whenever it is asked for: an open connection keeps no text that its parts can give. */
export class ConnectionLease implements Lease {
  readonly owner: string

  constructor (
    readonly connectionId: string,
    private readonly identity: Identity,
    private readonly address: ClientAddress,
    private readonly path: string,
    private readonly acceptedAtMs: number
  ) {
    this.owner = leaseOwner(identity, address)
  }

  get record (): string { return writeLeaseRecord(this.identity, this.address, this.path, this.acceptedAtMs) }
}

/** Reads a record that some process wrote; null for what this version does not know. */
export function parseLeaseRecord (text: string): LeaseRecord | null {
  const [userId, ip, issuer, path, insecure, acceptedAtMs, ...more] = parseArray(text)
  const address = typeof ip === 'string' ? parseAddress(ip) : null
  if (typeof userId !== 'string' || address === null || (typeof issuer !== 'string' && issuer !== null)) return null
  if (typeof path !== 'string' || typeof acceptedAtMs !== 'number' || more.length > 0) return null
  return { userId, address, issuer, path, insecure: insecure === 1, acceptedAtMs }
}

function parseArray (text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}
