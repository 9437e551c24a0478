import type { ClientAddress } from '../address/client-address.js'
import type { Authorizer } from '../access/authorizer.js'
import type { UpgradeSettings } from '../config/config.js'
import type { Lease, Limiter } from '../limits/limiter.js'
import type { Refusal } from '../refusals.js'
import type { Identity } from '../tokens/identity.js'
import type { RefusalAnswerer } from './answer-refusal.js'
import type { Granted } from './authorize.js'
import type { Identify } from './identify.js'
import type { UpgradeRequest } from './read-request.js'
import type { Report } from './report.js'
import type { ResumeTickets } from './resume-ticket.js'
import type { PendingUpgrade } from './transport.js'

/** An upgrade that everything said yes to, on its way to become a session. */
export interface Admitted {
  readonly request: UpgradeRequest
  readonly address: ClientAddress
  readonly identity: Identity
  readonly granted: Granted
  readonly lease: Lease
}

export interface LifecycleDeps {
  readonly settings: UpgradeSettings
  readonly limiter: Limiter
  /** Ms for which an address is known to be over its limit; 0: not known to be. */
  readonly blockedForMs: (addressKey: string) => number
  readonly bannedForMs: (address: ClientAddress) => number
  /** On the allow list: the address limits do not apply. */
  readonly isExempt: (address: ClientAddress) => boolean
  /** The address and user limits are decided and written down, but let through. */
  readonly dryRun: boolean
  readonly judgeTicket: ResumeTickets['judge']
  readonly identify: Identify
  readonly authorizer: Authorizer
  /** Goes up whenever rights are said to have changed. */
  readonly rightsGeneration: () => number
  /** Orders that an upgrade under way can meet. `sinceMs`: monotonic. */
  readonly isRevoked: (identity: Identity) => boolean
  readonly wasDisconnected: (userId: string, sinceMs: number) => boolean
  /** Live sockets of a lease owner in this process are at the limit already. */
  readonly userIsFull: (leaseUserId: string) => boolean
  /** An upgrade was refused for that, without asking the limits. */
  readonly noteUserFull: () => void
  readonly newConnectionId: () => string
  /** A reason to take nobody in right now: draining, overloaded. `pending`: upgrades under way. */
  readonly gate: (pending: number) => Refusal | null
  readonly answerer: RefusalAnswerer
  readonly report: Report
  /** Completes the handshake; false when the client is gone. From here the session owns the lease. */
  readonly open: (pending: PendingUpgrade, admitted: Admitted, durationMs: number) => boolean
}
