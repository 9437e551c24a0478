import type { ClientAddress } from '../address/client-address.js'
import type { UpgradeSettings } from '../config/config.js'
import type { Limiter } from '../limits/limiter.js'
import type { Refusal } from '../refusals.js'
import type { Tickets } from '../tickets/tickets.js'
import type { AddressStateDeps } from './address-state.js'
import type { DecideDeps } from './decide.js'
import type { Report } from './report.js'
import type { ResumePasses } from './resume-pass.js'
import type { SettleDeps } from './settle.js'

/** What the life of an upgrade needs: what each of its parts does, and what only the way in asks for. */
export interface LifecycleDeps extends AddressStateDeps, DecideDeps, SettleDeps {
  readonly settings: UpgradeSettings
  readonly limiter: Limiter
  /** On the allow list: the address limits do not apply. */
  readonly isExempt: (address: ClientAddress) => boolean
  readonly judgePass: ResumePasses['judge']
  readonly judgeTicket: Tickets['judge']
  /**
   * Why no upgrade is taken now: draining, overloaded. Null: it is open. `pending`: upgrades under way, and sockets that were
   * accepted to be closed.
   */
  readonly gate: (pending: number) => Refusal | null
  readonly report: Report
}
