import type { DeskAnswer } from './introspection-desk.js'

/** Whether tokens that were accepted are still good in the eyes of their issuers: what open connections are held to. */
export interface TokenStanding {
  /** How long an answer counts, in ms: within that time the next one should be there. */
  readonly countsMs: number
  /** Whether this issuer, by its configured name, is asked about its tokens. */
  covers (issuer: string): boolean
  /** When the answer was asked for by which this token is accepted now, steady, in ms; null: it is not known any more. */
  askedAtMs (token: string): number | null
  /**
   * A newer answer than that of `afterMs` (steady), from another process or from the issuer. Upgrades are decided by it from then on.
   * Never rejects.
   */
  ask (token: string, issuer: string, afterMs: number): Promise<DeskAnswer>
}
