import { createIdentify, isIdentity } from '../connection/identify.js'
import type { Identity } from '../tokens/identity.js'
import type { TokenSettings } from '../tokens/issuer-config.js'
import { showValue } from '../tokens/show-value.js'
import type { FoundFault } from '../tokens/token-fault.js'
import type { InspectToken, TokenInspection, TokenVerdict } from '../tokens/token-verifier.js'
import { describeTokenRefusal, showKeysAge } from '../tokens/token-words.js'
import { fail, pass, type Finding } from './finding.js'

export interface JudgeTokenDeps {
  readonly settings: TokenSettings
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

/** Who this is, by the verdict of the step that decides upgrades. `onFound` gets the user. */
export async function judgeToken (deps: JudgeTokenDeps, presented: Presented, onFound: (identity: Identity) => void): Promise<Finding> {
  const inspection = presented.kind === 'token' && deps.inspect !== null ? await deps.inspect(presented.token) : null
  const verdict = verdictOf(presented, inspection)
  const identify = createIdentify({ ...deps, tokens: { verifyNow: () => verdict, verify: async () => verdict ?? UNASKED } })
  const who = await identify.wait(presented.kind === 'nothing' ? null : '')
  if (isIdentity(who)) {
    onFound(who)
    return who.insecure
      ? pass('it comes in as anonymous: ALLOW_INSECURE_WS is in force', { setting: 'ALLOW_INSECURE_WS' })
      : pass(sayWho(deps, who, presented, inspection))
  }
  if (verdict?.ok === true) return fail(who, sayRevoked(deps, verdict.identity), claimRevoked(deps, verdict.identity))
  if (verdict === null || inspection === null) return fail(who, 'no token was given')
  return fail(who, ...spread(describeTokenRefusal(verdict, inspection, deps.settings, deps.now())))
}

const UNASKED: TokenVerdict = { ok: false, refusal: 'unavailable', detail: 'not asked' }

const spread = <T extends { readonly because: string }> ({ because, ...decided }: T): [string, Omit<T, 'because'>] => [because, decided]

function verdictOf (presented: Presented, inspection: TokenInspection | null): TokenVerdict | null {
  if (presented.kind === 'claims') return { ok: true, identity: presented.identity }
  return inspection?.verdict ?? null
}

function sayWho ({ now }: JudgeTokenDeps, who: Identity, presented: Presented, inspection: TokenInspection | null): string {
  const user = `user ${showValue(who.userId)} of issuer ${who.issuer}`
  if (presented.kind === 'claims') {
    const { fault } = presented
    const mistake = fault === null ? '' : `; a token with them would be refused: ${fault.fault}${fault.shown === null ? '' : `: ${fault.shown}`}`
    return `the claims count as verified: ${user}${mistake}`
  }
  const key = inspection?.header?.['kid'] === undefined ? 'signed by it' : `signed by its key ${showValue(inspection.header['kid'])}`
  const asked = inspection?.introspected ?? null
  const introspected = asked === null ? '' : `; introspection said ${Math.floor(asked.ageMs / 1000)} s ago that it is active`
  return `${user}, ${key}; ${showKeysAge(inspection?.keysAgeS ?? null, now())}; the token ends at ${new Date(who.expiresAtMs).toISOString()}${introspected}`
}

const NAMES = ['jti', 'sid', 'sub'] as const

/** By which of its names it is revoked: the one that is left when the others are taken away. */
function revokedBy ({ isRevoked }: JudgeTokenDeps, identity: Identity): typeof NAMES[number] | undefined {
  const alone = { jti: { tokenId: identity.tokenId }, sid: { sessionId: identity.sessionId }, sub: { subject: identity.subject } }
  return NAMES.find(name => isRevoked({ ...identity, tokenId: null, sessionId: null, subject: '', ...alone[name] }))
}

function sayRevoked (deps: JudgeTokenDeps, identity: Identity): string {
  const by = revokedBy(deps, identity)
  const value = { jti: identity.tokenId, sid: identity.sessionId, sub: identity.subject }[by ?? 'sub']
  return `${by ?? 'a name of it'} ${showValue(value)} was revoked, by an operator or by its issuer: GET /v1/revocations lists what stands`
}

function claimRevoked (deps: JudgeTokenDeps, identity: Identity): { readonly claim?: string } {
  const by = revokedBy(deps, identity)
  return by === undefined ? {} : { claim: by }
}

