import { encodeId } from '../../redis/encode-id.js'

/** The limiter's keys. No client can shape one: ids are percent-encoded, addresses arrive normalized. */
export interface LimitKeys {
  /** Connection attempts of an address (`192.0.2.1`, `2001:db8:1:2::/64`). */
  address (address: string): string
  /** A spent resume ticket of an address; its hash tag, the address's whole key, puts both in one slot of a cluster. */
  resume (address: string, nonce: string): string
  /** Leases of a user. */
  user (userId: string): string
  /** Messages of an address. */
  messages (address: string): string
}

/** The keys under `prefix`, which is the operator's, without braces, and used as it is. */
export function createLimitKeys (prefix: string): LimitKeys {
  const addressPrefix = `${prefix}ws:ratelimit:ip:`
  const resumePrefix = `${prefix}ws:resume:{${addressPrefix}`
  const userPrefix = `${prefix}ws:ratelimit:user:`
  const messagesPrefix = `${prefix}ws:ratelimit:msg:`
  return {
    address: (address) => addressPrefix + address,
    resume: (address, nonce) => `${resumePrefix}${address}}:${encodeId(nonce)}`,
    user: (userId) => userPrefix + encodeId(userId),
    messages: (address) => messagesPrefix + address
  }
}

/** A hash of one process's records by connection id; its field `''` is not the limiter's. */
export function nodeKey (prefix: string, node: string): string {
  return `${prefix}ws:node:${encodeId(node)}`
}
