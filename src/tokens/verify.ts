import { steadyNow as systemSteadyNow } from '../clocks.js'
import { SYSTEM_TIMERS } from '../timers.js'
import { hasExpired } from './claims.js'
import { createFetchJson, type FetchJson } from './fetch-json.js'
import type { KeyFetchFailure } from './fetch-keys.js'
import { createIntrospection, findStandingFault, newerThan, type Introspection, type IntrospectionDeps } from './introspection.js'
import type { DeskAnswer, IntrospectionDesk } from './introspection-desk.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { createIssuerKeys, type IssuerKeys } from './issuer-keys.js'
import { createSender } from './issuer-route.js'
import { createIssuerVerifier, type IssuerVerifier } from './issuer-verifier.js'
import { createKeySource } from './jwks.js'
import type { RefreshedKeys } from './kept-keys.js'
import { refuseToken } from './token-fault.js'
import { decodeSegment, readTokenFormat, type TokenFormat } from './token-format.js'
import type { TokenStanding } from './token-standing.js'
import type { TokenVerdict, TokenVerifier } from './token-verifier.js'
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

interface Issuer {
  readonly verifier: IssuerVerifier
  readonly keys: IssuerKeys
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
  const byIssuer = new Map(issuers.map(issuer => [issuer.verifier.config.issuer, issuer]))
  const onlyIssuer = issuers.length === 1 ? issuers[0] : undefined
  const known = createVerifiedTokens(settings.cacheSize)

  function decide (token: string, mayFetch: boolean): Decision {
    const nowMs = now()
    const remembered = known.find(token)
    if (remembered !== undefined) {
      const verdict = recheck(token, remembered, nowMs)
      return verdict.ok ? decideVerified(introspection, remembered) : { kind: 'verdict', verdict }
    }
    const format = readTokenFormat(token)
    if (format === null) return { kind: 'verdict', verdict: refuseToken('format') }
    const issuer = onlyIssuer ?? chooseIssuer(byIssuer, token, format)
    if (issuer === undefined) return { kind: 'verdict', verdict: refuseToken('unknown_issuer') }
    const local = issuer.verifier.check(token, format, nowMs)
    if (local.kind === 'fault') return { kind: 'verdict', verdict: refuseToken(local.fault) }
    if (local.kind === 'no_key') return decideWithoutKey(issuer, local.expired, mayFetch)
    const verdict = { ok: true, identity: local.identity } as const
    const verified = { verdict, key: local.key, verifier: issuer.verifier, askedAtMs: null }
    const decision = decideVerified(introspection, verified)
    if (decision.kind === 'verdict') known.remember(token, verified)
    return decision
  }

  function recheck (token: string, { verdict }: VerifiedToken, nowMs: number): TokenVerdict {
    if (!hasExpired(verdict.identity.expiresAtMs, settings.clockToleranceMs, nowMs)) return verdict
    known.drop(token)
    return refuseToken('expired')
  }

  async function settle (token: string, decision: Decision): Promise<TokenVerdict> {
    if (decision.kind === 'verdict') return decision.verdict
    if (decision.kind === 'fetch_keys') {
      await decision.ended
      return await settle(token, decide(token, false))
    }
    const answer = await decision.desk.ask(token, 'arriving', countsMs)
    noteAnswer(known, token, decision.verified, answer)
    const fault = findStandingFault(answer)
    if (fault !== null) return refuseToken(fault)
    // The answer may have taken seconds, in which the token can have ended.
    return recheck(token, decision.verified, now())
  }

  return {
    verifyNow: token => {
      const decision = decide(token, true)
      return decision.kind === 'verdict' ? decision.verdict : null
    },
    verify: async token => await settle(token, decide(token, true)),
    start: async () => { await Promise.all(issuers.map(async issuer => { await issuer.keys.source.refresh() })) },
    status: () => issuers.map(issuer => issuer.keys.source.status()),
    forget: known.forget,
    ...(introspection.desks.size === 0 ? {} : { standing: createStanding(introspection, known, countsMs, steadyNow) }),
    close: () => {
      for (const { keys } of issuers) keys.source.close()
      introspection.close()
    },
    issuerKeys: issuers.map(({ keys }) => keys)
  }
}

function chooseIssuer (byIssuer: ReadonlyMap<string, Issuer>, token: string, format: TokenFormat): Issuer | undefined {
  const claimed = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))?.['iss']
  return typeof claimed === 'string' ? byIssuer.get(claimed) : undefined
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

function decideWithoutKey ({ keys: { source } }: Issuer, expired: boolean, mayFetch: boolean): Decision {
  const ended = mayFetch ? source.refresh() : null
  if (ended !== null) return { kind: 'fetch_keys', ended }
  if (source.current() !== null) return { kind: 'verdict', verdict: refuseToken('unknown_key') }
  // Ended or forged, no key could make it good.
  if (expired) return { kind: 'verdict', verdict: refuseToken('expired_unproven') }
  return { kind: 'verdict', verdict: { ...refuseToken('keys_unavailable'), retryAfterMs: source.waitMs() } }
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
