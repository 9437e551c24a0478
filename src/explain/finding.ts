import type { Refusal } from '../refusals.js'
import type { ExplainedStep } from './explanation.js'

/** What one step found. */
export interface Finding extends Pick<ExplainedStep, 'because' | 'setting' | 'claim'> {
  /** Null: it passes. */
  readonly refusal: Refusal | null
}

type Decided = Pick<ExplainedStep, 'setting' | 'claim'>

export const pass = (because: string, decided: Decided = {}): Finding => ({ refusal: null, because, ...decided })

export const fail = (refusal: Refusal, because: string, decided: Decided = {}): Finding => ({ refusal, because, ...decided })
