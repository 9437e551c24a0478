import type { ClaimPart } from './claims.js'
import { TOKEN_CAUSES } from './token-causes.js'
import type { TokenFault } from './token-fault.js'

/** What is looked at of a token, from its form to the key that it is bound to. */
export type TokenPart = 'form' | 'header' | 'key' | 'signature' | ClaimPart | 'binding'

/** What became of one look at a token, in words for operators: bounded, escaped, and never a part of the token. */
export interface TokenStep {
  readonly part: TokenPart
  /** `not_reached`: it cannot be looked at, because of a step before. */
  readonly verdict: 'pass' | 'fail' | 'not_reached'
  /** The cause by which the gateway refuses; null: this is no reason to. */
  readonly fault: TokenFault | null
  readonly because: string
  readonly claim?: string
  readonly setting?: string
}

type More = Pick<TokenStep, 'claim' | 'setting'>

export const passStep = (part: TokenPart, because: string, more: More = {}): TokenStep =>
  ({ part, verdict: 'pass', fault: null, because, ...more })

/** `words`: what shows it; null: the meaning of the cause says it all. */
export const failStep = (part: TokenPart, fault: TokenFault, words: string | null, more: More = {}): TokenStep =>
  ({ part, verdict: 'fail', fault, because: words === null ? TOKEN_CAUSES[fault] : `${words}: ${TOKEN_CAUSES[fault]}`, ...more })

export const unreachedStep = (part: TokenPart, because: string): TokenStep => ({ part, verdict: 'not_reached', fault: null, because })
