import { findStandingFault, type Introspection } from './introspection.js'
import { refuseWithoutKey, type Judge, type Judged } from './judge-token.js'
import { refuseToken } from './token-fault.js'
import type { InspectToken, TokenInspection, TokenVerdict } from './token-verifier.js'
import type { VerifiedTokens } from './verified-tokens.js'

export interface InspectorDeps {
  readonly judge: Judge
  readonly introspection: Introspection
  readonly known: Pick<VerifiedTokens, 'peek'>
  /** Wall clock, ms since the epoch. */
  readonly now: () => number
  /** Steady, in ms. */
  readonly steadyNow: () => number
}

type Introspected = Pick<TokenInspection, 'verdict' | 'introspected'>

/** Makes what says of a token what the verifier would say now, by the same judge, and leaves everything as it is. */
export function createInspector ({ judge, introspection, known, now, steadyNow }: InspectorDeps): InspectToken {
  async function askIssuer (token: string, verdict: TokenVerdict & { readonly ok: true }): Promise<Introspected> {
    const { issuer } = verdict.identity
    const askedAtMs = known.peek(token)?.askedAtMs ?? null
    const desk = introspection.deskIfDue(issuer, askedAtMs)
    if (desk === null) return { verdict, introspected: askedAtMs === null ? null : { active: true, ageMs: steadyNow() - askedAtMs } }
    const answer = await desk.peek(token)
    const fault = findStandingFault(answer)
    return {
      verdict: fault === null ? verdict : refuseToken(fault),
      introspected: answer.kind === 'failed' ? null : { active: answer.kind === 'active', ageMs: 0 }
    }
  }

  async function decide (token: string, judged: Judged, askedAtMs: number): Promise<Introspected> {
    if (judged.kind === 'refused') return { verdict: judged.refusal, introspected: null }
    if (judged.kind === 'no_key') return { verdict: refuseWithoutKey(judged.issuer, judged.local, askedAtMs), introspected: null }
    return await askIssuer(token, judged.verified.verdict)
  }

  return async (token) => {
    const askedAtMs = now()
    const judged = judge(token, undefined, askedAtMs, true)
    const keys = judged.issuer?.keys
    return {
      ...await decide(token, judged, askedAtMs),
      issuer: keys?.config.name ?? null,
      keysAgeS: keys?.source.status().ageS ?? null,
      fetchInMs: keys?.source.waitMs() ?? 0
    }
  }
}
