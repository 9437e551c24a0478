import { steadyNow as systemSteadyNow } from '../clocks.js'
import { SYSTEM_TIMERS } from '../timers.js'
import { isProven } from './confirmation.js'
import { createFetchJson, type FetchJson } from './fetch-json.js'
import type { KeyFetchFailure } from './fetch-keys.js'
import { createIntrospection, findStandingFault, newerThan, type Introspection, type IntrospectionDeps } from './introspection.js'
import type { DeskAnswer, IntrospectionDesk } from './introspection-desk.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.js'
import { createSender } from './issuer-route.js'
import { createInspector } from './inspect-token.js'
import { createIssuerVerifier } from './issuer-verifier.js'
import { createJudge, refuseWithoutKey, UNPROVEN, type Issuer, type WithoutKey } from './judge-token.js'
import { createKeySource } from './jwks.js'
import type { RefreshedKeys } from './kept-keys.js'
import { refuseToken } from './token-fault.js'
import type { TokenStanding } from './token-standing.js'
import type { TokenProof, TokenVerdict, TokenVerifier } from './token-verifier.js'
import { createVerifiedTokens, type VerifiedToken, type VerifiedTokens } from './verified-tokens.js'

export interface TokenVerifierDeps {
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number
  /** How issuers are asked; default: by the settings' route. */
  readonly fetchJson?: FetchJson
  /** Told of every fetch of keys that ended, by the issuer's configured name; must not throw. */
  readonly onRefreshed: (issuer: string, refreshed: RefreshedKeys) => void
  readonly onFailed: (issuer: string, failure: KeyFetchFailure) => void
  /** For issuers that are asked about their tokens. */
  readonly introspection?: Partial<IntrospectionDeps>
}

/** A verifier that holds its issuers' keys itself. */
export interface IssuersVerifier extends TokenVerifier {
  readonly issuerKeys: readonly IssuerKeys[]
}

/** A token, what is known beside it, and since when it is asked about (ms since the epoch). */
interface Question extends TokenProof {
  readonly token: string
  readonly askedAtMs: number
}

/** What is to be done about a token: nothing more, or first one request to its issuer. */
type Decision =
  { readonly kind: 'verdict', readonly verdict: TokenVerdict } |
  { readonly kind: 'fetch_keys', readonly ended: Promise<void> } |
  { readonly kind: 'introspect', readonly desk: IntrospectionDesk, readonly verified: VerifiedToken }

/**
 * Makes the verifier of all configured issuers. Keys are never shared between them; the unverified `iss` does no more
 * than choose one of the list. `issuerKeys` serve what issuers sign beside access tokens; they end with the verifier.
 */
export function createTokenVerifier (settings: TokenSettings, deps: TokenVerifierDeps): IssuersVerifier {
  const now = deps.now ?? Date.now
  const fetchJson = deps.fetchJson ?? createFetchJson(createSender(settings.route))
  const steadyNow = deps.introspection?.now ?? systemSteadyNow
  const { countsMs } = settings.introspection
  const introspection = composeIntrospection(settings, fetchJson, deps, steadyNow)
  const issuers = settings.issuers.map(config => createIssuer(config, settings, fetchJson, now, deps))
  const judge = createJudge(issuers)
  const known = createVerifiedTokens(settings.cacheSize)

  function decide (question: Question, mayFetch: boolean): Decision {
    const { token, jkt } = question
    const nowMs = now()
    const remembered = known.find(token)
    if (remembered !== undefined) {
      const verdict = recheck(known, question, remembered, nowMs)
      return verdict.ok ? decideVerified(introspection, remembered) : { kind: 'verdict', verdict }
    }
    const judged = judge(token, jkt, nowMs)
    if (judged.kind === 'refused') return { kind: 'verdict', verdict: judged.refusal }
    if (judged.kind === 'no_key') return decideWithoutKey(judged.issuer, judged.local, question, mayFetch)
    const decision = decideVerified(introspection, judged.verified)
    if (decision.kind === 'verdict') known.remember(token, judged.verified)
    return decision
  }

  async function settle (question: Question, decision: Decision): Promise<TokenVerdict> {
    if (decision.kind === 'verdict') return decision.verdict
    if (decision.kind === 'fetch_keys') {
      await decision.ended
      return await settle(question, decide(question, false))
    }
    const answer = await decision.desk.ask(question.token, 'arriving', countsMs)
    noteAnswer(known, question.token, decision.verified, answer)
    const fault = findStandingFault(answer)
    if (fault !== null) return refuseToken(fault)
    // The answer may have taken seconds, in which the token can have ended.
    return recheck(known, question, decision.verified, now())
  }

  const asking = (token: string, proof?: TokenProof): Question => ({ token, ...proof, askedAtMs: now() })
  return {
    verifyNow: (token, proof) => {
      const decision = decide(asking(token, proof), true)
      return decision.kind === 'verdict' ? decision.verdict : null
    },
    verify: async (token, proof) => {
      const question = asking(token, proof)
      return await settle(question, decide(question, true))
    },
    start: async () => { await Promise.all(issuers.map(async issuer => { await issuer.keys.source.refresh() })) },
    status: () => issuers.map(issuer => issuer.keys.source.status()),
    forget: known.forget,
    inspect: createInspector({ judge, introspection, known, now, steadyNow }),
    ...(introspection.desks.size === 0 ? {} : { standing: createStanding(introspection, known, countsMs, steadyNow) }),
    close: () => {
      for (const { keys } of issuers) keys.source.close()
      introspection.close()
    },
    issuerKeys: issuers.map(({ keys }) => keys)
  }
}

/** What is remembered holds for the token; a key that it is bound to is proven each time anew. */
function recheck (known: VerifiedTokens, { token, jkt }: Question, { verdict, verifier }: VerifiedToken, nowMs: number): TokenVerdict {
  const found = verifier.recheck(verdict.identity, nowMs)
  if (found === null) return isProven(verdict.identity.confirmation, jkt) ? verdict : UNPROVEN
  known.drop(token)
  return refuseToken(found.fault, found.shown)
}

/** A verified token is accepted, unless its issuer is to be asked first. */
function decideVerified (introspection: Introspection, verified: VerifiedToken): Decision {
  const { verdict, askedAtMs } = verified
  const desk = introspection.deskIfDue(verdict.identity.issuer, askedAtMs)
  return desk === null ? { kind: 'verdict', verdict } : { kind: 'introspect', desk, verified }
}

/** What the issuer said counts for those who present the token next. `verified`: undefined where it is not known any more. */
function noteAnswer (known: VerifiedTokens, token: string, verified: VerifiedToken | undefined, answer: DeskAnswer): void {
  if (answer.kind === 'inactive') known.drop(token)
  if (answer.kind === 'active' && verified !== undefined) known.remember(token, { ...verified, askedAtMs: answer.askedAtMs })
}

function composeIntrospection (
  settings: TokenSettings, fetchJson: FetchJson, { introspection = {} }: TokenVerifierDeps, now: () => number
): Introspection {
  return createIntrospection(settings, fetchJson, { shared: null, onOutcome () {}, timers: SYSTEM_TIMERS, ...introspection, now })
}

function createStanding ({ desks }: Introspection, known: VerifiedTokens, countsMs: number, steadyNow: () => number): TokenStanding {
  return {
    countsMs,
    covers: issuer => desks.has(issuer),
    askedAtMs: token => known.find(token)?.askedAtMs ?? null,
    async ask (token, issuer, afterMs) {
      const answer = await desks.get(issuer)?.ask(token, 'open', newerThan(afterMs, countsMs, steadyNow()))
      if (answer === undefined) return { kind: 'failed', fault: 'busy', detail: null }
      noteAnswer(known, token, known.find(token), answer)
      return answer
    }
  }
}

function decideWithoutKey (issuer: Issuer, local: WithoutKey, { askedAtMs }: Question, mayFetch: boolean): Decision {
  const ended = mayFetch ? issuer.keys.source.refresh() : null
  return ended !== null ? { kind: 'fetch_keys', ended } : { kind: 'verdict', verdict: refuseWithoutKey(issuer, local, askedAtMs) }
}

function createIssuer (
  config: IssuerConfig, settings: TokenSettings, fetchJson: FetchJson, now: () => number, deps: TokenVerifierDeps
): Issuer {
  const source = createKeySource({
    issuer: config,
    settings: settings.jwks,
    fetchJson,
    now,
    onRefreshed: refreshed => { deps.onRefreshed(config.name, refreshed) },
    onFailed: failure => { deps.onFailed(config.name, failure) }
  })
  const keys = createIssuerKeys(config, source)
  return { verifier: createIssuerVerifier(keys, settings), keys }
}
