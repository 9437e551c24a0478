import type { ClientAddress } from '../address/client-address.js'
import { refuse, type Refusal } from '../refusals.js'

/** Why an address may not come in now, as far as this process knows already: neither Redis nor cryptography is needed. */
export interface AddressState {
  /** Null: not banned. */
  banned (address: ClientAddress): Refusal | null
  /** Null: not known to be over its limit. */
  overLimit (address: ClientAddress): Refusal | null
}

export interface AddressStateDeps {
  /** Ms for which an address is known to be over its limit; 0: not known to be. */
  readonly blockedForMs: (addressKey: string) => number
  readonly bannedForMs: (address: ClientAddress) => number
}

export function createAddressState ({ blockedForMs, bannedForMs }: AddressStateDeps): AddressState {
  return {
    banned (address) {
      const bannedMs = bannedForMs(address)
      return bannedMs > 0 ? refuse('banned', { retryAfterMs: bannedMs }) : null
    },
    overLimit ({ key }) {
      const blockedMs = blockedForMs(key)
      return blockedMs > 0 ? refuse('ip_rate_limited', { retryAfterMs: blockedMs }) : null
    }
  }
}
