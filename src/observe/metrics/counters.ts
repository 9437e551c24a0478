import type { IntrospectionOutcome } from '../../tokens/introspection-desk.js'
import { REFUSALS, type RefusalName } from '../../refusals.js'

export type UpgradeOutcome = 'accepted' | 'refused' | 'aborted'
export type MessageDirection = 'in' | 'out'
export type CountedLimit = 'ip' | 'user' | 'message'
/** What became of a position that a client named: all that came after it was given, or it was not there any more. */
export type RecoveryOutcome = 'recovered' | 'lost'
/** What became of tickets: given, or not, to who asked for one; taken, or not, from who came with one. */
export type TicketOutcome = 'issued' | 'refused' | 'redeemed' | 'rejected'
export type LimitDecision = 'allowed' | 'refused' | 'would_refuse'

/** What issuers tell beside tokens, and what becomes of it. */
export type StatementKind = 'logout' | 'signal'
export type StatementOutcome = 'kept' | 'held' | 'repeated' | 'refused' | 'waiting'

/** What a close with a code that is not ours counts as, so that clients cannot make labels. */
export const OTHER_CODE = 'other'

/** Codes that WebSocket itself knows (RFC 6455 section 7.4.1) and that the native layer reports. */
const PROTOCOL_CODES = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011]

/** Plain numbers that the hot path adds to. Every label value is there from the start, at 0. */
export interface Counters {
  readonly upgrades: Record<UpgradeOutcome, number>
  /** Sockets that the native layer closed while it upgraded them; `accepted` counts them too. */
  lostUpgrades: number
  /** How often the main port was closed as descriptors were short. */
  descriptorShortages: number
  readonly refusals: Record<RefusalName, number>
  /** More refusals `unavailable`: of tokens whose key was not fetched yet. */
  awaitedKeys: number
  readonly messages: Record<MessageDirection, number>
  readonly recoveries: Record<RecoveryOutcome, number>
  readonly tickets: Record<TicketOutcome, number>
  /** Topics of connections of which a gap was told. */
  gaps: number
  /** Calls for events that came before. */
  historyReads: number
  /** Topics whose history could not be read, each time that it was tried. */
  historyUnreadable: number
  readonly limits: Record<CountedLimit, Record<LimitDecision, number>>
  readonly introspections: Record<IntrospectionOutcome, number>
  readonly statements: Record<StatementKind, Record<StatementOutcome, number>>
  /** By command of Redis; only commands that the gateway uses, so clients cannot make labels. */
  readonly redisDenied: Map<string, number>
  /** By close code in decimal, or `OTHER_CODE`. */
  readonly closes: Map<string, number>
}

/** Makes counters at 0. */
export function createCounters (): Counters {
  const refusals = Object.fromEntries(Object.keys(REFUSALS).map((name) => [name, 0])) as Record<RefusalName, number>
  const ourCodes = Object.values(REFUSALS).map((kind) => kind.closeCode).filter((code) => code !== null)
  const codes = [...new Set([...PROTOCOL_CODES, ...ourCodes])].sort((a, b) => a - b)
  return {
    upgrades: { accepted: 0, refused: 0, aborted: 0 },
    lostUpgrades: 0,
    descriptorShortages: 0,
    refusals,
    awaitedKeys: 0,
    messages: { in: 0, out: 0 },
    recoveries: { recovered: 0, lost: 0 },
    tickets: { issued: 0, refused: 0, redeemed: 0, rejected: 0 },
    gaps: 0,
    historyReads: 0,
    historyUnreadable: 0,
    introspections: { active: 0, inactive: 0, shared: 0, failed: 0, busy: 0 },
    statements: { logout: createOutcomes(), signal: createOutcomes() },
    redisDenied: new Map(),
    limits: { ip: createDecisions(), user: createDecisions(), message: createDecisions() },
    closes: new Map([...codes.map(String), OTHER_CODE].map((code) => [code, 0]))
  }
}

function createOutcomes (): Record<StatementOutcome, number> {
  return { kept: 0, held: 0, repeated: 0, refused: 0, waiting: 0 }
}

function createDecisions (): Record<LimitDecision, number> {
  return { allowed: 0, refused: 0, would_refuse: 0 }
}

/** Counts one close; a code that is not in the table counts as `OTHER_CODE`. */
export function countClose (counters: Counters, code: number): void {
  const label = String(code)
  const known = counters.closes.get(label)
  if (known !== undefined) counters.closes.set(label, known + 1)
  else counters.closes.set(OTHER_CODE, (counters.closes.get(OTHER_CODE) ?? 0) + 1)
}
