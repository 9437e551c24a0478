/**
 * The limits as they stand, for an operator's question: what an attempt would meet now. Nothing is counted, leased or lent. Beside the
 * port of `limiter.ts`, which decides: one conformance suite holds both to the same word.
 */

/** What is asked; a null part is not read. */
export interface LimitsQuestion {
  /** In the key's form. */
  readonly address: string | null
  /** Whose slots. */
  readonly owner: string | null
}

/** One address's window. */
export interface AddressReading {
  /** Attempts that count now. */
  readonly used: number
  readonly limit: number
  /** ms until the oldest of them leaves the window; 0: there is none. */
  readonly resetMs: number
  /** ms until an attempt would be let in; 0: now. */
  readonly waitMs: number
}

/** One user's slots. */
export interface SlotReading {
  /** Leases that have not lapsed. */
  readonly used: number
  readonly limit: number
}

/** The parts that were asked for. */
export interface StoreReading {
  readonly address: AddressReading | null
  readonly slots: SlotReading | null
}

/** Reads one store. Rejects when it cannot answer. */
export interface LimitReader {
  read (question: LimitsQuestion): Promise<StoreReading>
}

/**
 * Who would decide an attempt now. `process`: this process's memory alone, as there is no Redis or it is away; `everybody_passes` and
 * `nobody_passes`: Redis is away, by the policy; `undecided`: Redis is there, and cannot answer this one.
 */
export type DecidedBy = 'redis' | 'process' | 'everybody_passes' | 'nobody_passes' | 'undecided'

export interface LimitsReading extends StoreReading {
  readonly decidedBy: DecidedBy
  /** Redis is away. */
  readonly isDegraded: boolean
}

/** Reads the limits as they would decide an attempt now. Never rejects. */
export type ReadLimits = (question: LimitsQuestion) => Promise<LimitsReading>
