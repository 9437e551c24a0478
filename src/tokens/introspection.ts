import type { Timers } from '../timers.js'
import type { FetchJson } from './fetch-json.js'
import { createIntrospector, type IntrospectionFailure } from './introspect.js'
import { createIntrospectionDesk, type DeskAnswer, type IntrospectionDesk, type IntrospectionOutcome } from './introspection-desk.js'
import type { TokenSettings } from './issuer-config.js'
import { createQuestionPace } from './question-pace.js'
import type { SharedAnswers } from './shared-answers.js'
import type { TokenFault } from './token-fault.js'

export interface IntrospectionDeps {
  readonly shared: SharedAnswers | null
  /** Told of each question that ended, by the issuer's configured name; must not throw. `failure`: with the outcome `failed`. */
  readonly onOutcome: (issuer: string, outcome: IntrospectionOutcome, failure: IntrospectionFailure | null) => void
  /** Steady, in ms. */
  readonly now: () => number
  readonly timers: Pick<Timers, 'after'>
}

/** The desks of all issuers that are asked about their tokens, by configured name. */
export interface Introspection {
  readonly desks: ReadonlyMap<string, IntrospectionDesk>
  /** Who is to be asked before a token counts; null: nobody, or the answer asked for at `askedAtMs` (null: none) still counts. */
  deskIfDue (issuer: string, askedAtMs: number | null): IntrospectionDesk | null
  close (): void
}

const SECOND_MS = 1000
/** Of the time that an answer counts, the part within which processes share the answers to their repeated questions. */
const SHARED_PART = 0.5

/** Makes the desks, which keep to one pace together. */
export function createIntrospection (settings: TokenSettings, fetchJson: FetchJson, deps: IntrospectionDeps): Introspection {
  const { jwks: { timeoutMs }, introspection: { perS, countsMs } } = settings
  const { now, timers, shared, onOutcome } = deps
  const pace = createQuestionPace({ perS, maxArriving: Math.ceil(perS * timeoutMs / SECOND_MS), now, timers })
  const desks = new Map(settings.issuers.flatMap(({ name, introspection }) => introspection === null
    ? []
    : [[name, createIntrospectionDesk({
        introspector: createIntrospector(introspection, fetchJson, timeoutMs),
        pace,
        shared,
        patienceMs: timeoutMs,
        onOutcome: (outcome, failure) => { onOutcome(name, outcome, failure) },
        now,
        timers
      })] as const]))
  return {
    desks,
    deskIfDue (issuer, askedAtMs) {
      const countsStill = askedAtMs !== null && now() - askedAtMs < countsMs
      return countsStill ? null : desks.get(issuer) ?? null
    },
    close () {
      pace.close()
      for (const desk of desks.values()) desk.close()
    }
  }
}

/** How old an answer may be, in ms, that is to be newer than the one asked for at `afterMs`, and leaves the next its time. */
export function newerThan (afterMs: number, countsMs: number, nowMs: number): number {
  return Math.max(0, Math.min(countsMs * SHARED_PART, nowMs - afterMs - 1))
}

/** The fault of a token whose issuer did not say that it is active; null: it did. */
export function findStandingFault (answer: DeskAnswer): TokenFault | null {
  if (answer.kind !== 'failed') return answer.kind === 'active' ? null : 'inactive'
  if (answer.fault === 'busy') return 'introspection_busy'
  return answer.fault === 'client_refused' ? 'introspection_client' : 'introspection_unavailable'
}
