import { encodeId } from '../redis/encode-id.js'

/** The limiter's keys. Nothing that a client sends can shape one: ids are percent-encoded, addresses arrive normalized. */
export interface LimitKeys {
  /** Connection attempts of an address (`192.0.2.1`, `2001:db8:1:2::/64`). */
  address (address: string): string
  /** Leases of a user. */
  user (userId: string): string
  /** Messages of an address. */
  messages (address: string): string
}

/** The keys under `prefix`, which is the operator's and used as it is. */
export function createLimitKeys (prefix: string): LimitKeys {
  const addressPrefix = `${prefix}ws:ratelimit:ip:`
  const userPrefix = `${prefix}ws:ratelimit:user:`
  const messagesPrefix = `${prefix}ws:ratelimit:msg:`
  return {
    address: (address) => addressPrefix + address,
    user: (userId) => userPrefix + encodeId(userId),
    messages: (address) => messagesPrefix + address
  }
}
