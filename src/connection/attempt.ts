import type { ClientAddress } from '../address/client-address.js'
import type { HeadAnswer } from '../history/history.js'
import type { Lease } from '../limits/limiter.js'
import type { Refusal } from '../refusals.js'
import type { GenuineTicket } from '../tickets/tickets.js'
import type { Identity } from '../tokens/identity.js'
import type { TokenProof } from '../tokens/token-verifier.js'
import type { UpgradeRequest } from './read-request.js'
import type { RefusedUpgrade } from './report.js'
import type { GenuinePass } from './resume-pass.js'
import type { PendingUpgrade } from './transport.js'
import type { Deadline } from './upgrade-deadlines.js'

/** An upgrade under way. What it holds is given back when it ends in anything but a session. */
export interface Attempt {
  readonly pending: PendingUpgrade
  readonly address: ClientAddress
  /** Its token is that of the ticket once this is redeemed. */
  request: UpgradeRequest
  readonly startedMs: number
  /** As `FoundAddress` has it. */
  readonly traceparent: string
  readonly exempt: boolean
  readonly pass: GenuinePass | null
  /** Null: none was presented. */
  readonly ticket: GenuineTicket | Refusal | null
  /** A ticket was redeemed: it counted against its address when it was asked for. */
  redeemed: boolean
  /** What came with the token. */
  proof: TokenProof | undefined
  /** Answered, aborted or overdue: whatever arrives later only gives back. */
  settled: boolean
  deadline: Deadline<Attempt> | null
  identity: Identity | null
  lease: Lease | null
  /** What the store said of the user's own topic as it gave the lease; null: nothing. */
  head: HeadAnswer | null
  /** What `rightsGeneration` was when the permissions were asked for. */
  rightsGeneration: number
}

const NO_CLAIMS = {}

/** What is written of one that did not become a connection. */
export function describe ({ address, request, identity, traceparent }: Attempt, durationMs: number, byClose: boolean): RefusedUpgrade {
  const { userId, issuer, insecure } = identity ?? { userId: null, issuer: null, insecure: false }
  const { path, origin } = request
  return { address, path, userId, issuer, durationMs, byClose, insecure, origin, claims: identity?.claims ?? NO_CLAIMS, traceparent }
}
