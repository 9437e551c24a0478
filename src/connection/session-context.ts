import type { Clocks } from '../clocks.js'
import type { MessageLimit } from '../limits/messages/message-limit.js'
import type { Limiter } from '../limits/limiter.js'
import type { Tickets } from '../tickets/tickets.js'
import type { WelcomeLimits } from '../wire/frames.js'
import type { DeadlineWheel } from './deadline-wheel.js'
import type { Identify } from './identify.js'
import type { Registry } from './registry.js'
import type { Report } from './report.js'
import type { Subscriptions } from './subscriptions.js'
import type { TokenWatch } from './token-watch.js'

/** What all open connections of a process share. */
export interface SessionContext {
  /** Name of this process, for `welcome`. */
  readonly node: string
  readonly limits: WelcomeLimits
  /** For how long events and their ids are known, in s; null: they are not. */
  readonly historyS: number | null
  readonly maxBufferedBytes: number
  /** The authorizer presents the user's own token to a back end, so it must be kept. */
  readonly keepTokens: boolean
  /** Limits are decided and written down, but let through. */
  readonly dryRun: boolean
  /** 0: never. */
  readonly idleMs: number
  readonly clocks: Clocks
  readonly clockToleranceMs: number
  readonly registry: Registry
  readonly wheel: DeadlineWheel
  readonly limiter: Limiter
  readonly messageLimit: MessageLimit
  readonly identify: Identify
  readonly judgeTicket: Tickets['judge']
  readonly subscriptions: Subscriptions
  readonly tokenWatch: TokenWatch
  readonly report: Report
}
