import { createIdentify, isIdentity } from '../connection/identify.js'
import { causeOf } from '../refusals.js'
import { explainToken } from '../tokens/explain-token.js'
import type { Identity } from '../tokens/identity.js'
import type { TokenSettings } from '../tokens/issuer-config.js'
import type { IssuerKeys } from '../tokens/issuer-keys.js'
import { showValue } from '../tokens/show-value.js'
import type { FoundFault } from '../tokens/token-fault.js'
import type { TokenStep } from '../tokens/token-step.js'
import type { InspectToken, TokenInspection, TokenVerdict } from '../tokens/token-verifier.js'
import { describeTokenRefusal, showKeysAge } from './describe-token-refusal.js'
import { fail, pass, type Finding } from './finding.js'

export interface JudgeTokenDeps {
  readonly settings: TokenSettings
  readonly issuerKeys: readonly IssuerKeys[]
  /** Null: the program checks tokens itself, and can't be asked. */
  readonly inspect: InspectToken | null
  readonly isRevoked: (identity: Identity) => boolean
  /** The break-glass identity while it is in force, else null. */
  readonly anonymous: () => Identity | null
  /** ms since the epoch. */
  readonly now: () => number
}

/** What is presented: a token, claims that count as verified, or neither. */
export type Presented =
  { readonly kind: 'token', readonly token: string } |
  { readonly kind: 'claims', readonly identity: Identity, readonly fault: FoundFault | null } |
  { readonly kind: 'nothing' }

const UNASKED: TokenVerdict = { ok: false, refusal: 'unavailable', detail: 'not asked' }

/** Who this is, by the verdict of the step that decides upgrades. `onFound` gets the user. */
export async function judgeToken (deps: JudgeTokenDeps, presented: Presented, onFound: (identity: Identity) => void): Promise<Finding> {
  const inspection = presented.kind === 'token' && deps.inspect !== null ? await deps.inspect(presented.token) : null
  const verdict: TokenVerdict | null = presented.kind === 'claims' ? { ok: true, identity: presented.identity } : inspection?.verdict ?? null
  const identify = createIdentify({ ...deps, tokens: { verifyNow: () => verdict, verify: async () => verdict ?? UNASKED } })
  const who = await identify.wait(presented.kind === 'nothing' ? null : '')
  if (isIdentity(who)) {
    onFound(who)
    return who.insecure
      ? pass('it comes in as anonymous: ALLOW_INSECURE_WS is in force', { setting: 'ALLOW_INSECURE_WS' })
      : pass(sayWho(deps, who, presented, inspection))
  }
  if (verdict?.ok === true) return fail(who, ...sayRevoked(deps, verdict.identity))
  if (presented.kind !== 'token' || inspection === null) return fail(who, 'no token was given')
  const steps = explain(deps, presented.token)
  const { because, ...decided } = describeTokenRefusal(causeOf(who), who.detail ?? '', inspection, steps, deps.now())
  return fail(who, because, decided)
}

const explain = ({ issuerKeys, settings, now }: JudgeTokenDeps, token: string): TokenStep[] =>
  explainToken(token, { issuerKeys, settings, nowMs: now() })

function sayWho (deps: JudgeTokenDeps, who: Identity, presented: Presented, inspection: TokenInspection | null): string {
  const user = `user ${showValue(who.userId)} of issuer ${who.issuer}`
  if (presented.kind === 'claims') {
    const { fault } = presented
    const mistake = fault === null ? '' : `; a token with them would be refused: ${fault.fault}${fault.shown === null ? '' : `: ${fault.shown}`}`
    return `the claims count as verified: ${user}${mistake}`
  }
  const key = presented.kind === 'token' ? explain(deps, presented.token).find(({ part }) => part === 'key')?.because ?? '' : ''
  const asked = inspection?.introspected ?? null
  const introspected = asked === null ? '' : `; introspection said ${Math.floor(asked.ageMs / 1000)} s ago that it is active`
  const end = new Date(who.expiresAtMs).toISOString()
  return `${user}; ${key}; ${showKeysAge(inspection?.keysAgeS ?? null, deps.now())}; the token ends at ${end}${introspected}`
}

const NAMES = ['jti', 'sid', 'sub'] as const

/** By which of its names it is revoked: the one that is left when the others are taken away. */
function sayRevoked ({ isRevoked }: JudgeTokenDeps, identity: Identity): [because: string, decided: { readonly claim?: string }] {
  const { tokenId, sessionId, subject } = identity
  const alone = { jti: { tokenId }, sid: { sessionId }, sub: { subject } }
  const by = NAMES.find(name => isRevoked({ ...identity, tokenId: null, sessionId: null, subject: '', ...alone[name] })) ?? 'sub'
  const value = showValue({ jti: tokenId, sid: sessionId, sub: subject }[by])
  // An order for a user is for what was issued up to it. Whose claims do not say when counts as issued before, as in an order's list.
  const undated = by === 'sub' && identity.issuedAtMs === null ? '; a token that was issued later counts: say so by iat' : ''
  return [`${by} ${value} was revoked, by an operator or by its issuer: GET /v1/revocations lists what stands${undated}`, { claim: by }]
}
