import type { Kind } from '../kinds.js'
import type { RefusalName } from '../refusals.js'

/** An upgrade that somebody might ask for. */
export interface ExplainQuestion extends Readonly<Partial<Record<Kind['list'], string | readonly string[]>>> {
  /** As a client presents it. With one, `claims` are not looked at. */
  readonly token?: string
  /** Of a token that counts as verified. */
  readonly claims?: Readonly<Record<string, unknown>>
  /** `/ws` unless given. */
  readonly path?: string
  /** The client's, behind proxies. Without it the address's limits are left out. */
  readonly address?: string
  readonly origin?: string
  /** What the client asks for in `Host`; without it, the host of `PUBLIC_URL`. */
  readonly host?: string
}

/** In the order in which they decide. */
export const STEP_NAMES = ['request', 'origin', 'address', 'token', 'permissions', 'user_slot'] as const
export type StepName = typeof STEP_NAMES[number]

export interface ExplainedStep {
  readonly step: StepName
  readonly verdict: 'pass' | 'fail' | 'not_reached'
  /** For operators; never a part of a token. */
  readonly because: string
  /** The setting that decided. */
  readonly setting?: string
  /** The claim that decided. */
  readonly claim?: string
}

/** The counts behind two of the steps; one that could not be read, or does not apply, is absent. */
export interface ExplainedLimits {
  /** `reset_s`: whole seconds until the window has room for one more; 0 where nothing counts. */
  readonly address?: { readonly used: number, readonly limit: number, readonly reset_s: number }
  readonly user?: { readonly used: number, readonly limit: number }
}

export interface Explanation {
  readonly outcome: 'accepted' | RefusalName
  readonly steps: readonly ExplainedStep[]
  readonly limits: ExplainedLimits
}

/** The answer. `about`: the user or the address that it concerns, for the log; `fault`: all that is wrong with the question. */
export type ExplainAnswer =
  { readonly ok: true, readonly explanation: Explanation, readonly about: string } | { readonly ok: false, readonly fault: string }

export const WANTED_ADDRESS = 'address: wanted an IPv4 or IPv6 address'

/**
 * Says what an upgrade would be answered now, and why, and does nothing else. `misread`: what its reader has found wrong with the question
 * beyond these members. Then nothing is explained, and the fault names these and all that is wrong with the members.
 */
export type Explain = (question: ExplainQuestion, misread: readonly string[]) => Promise<ExplainAnswer>
