import { hasExpired } from './claims.js'
import { isProven } from './confirmation.js'
import { createFetchJson, type FetchJson } from './fetch-json.js'
import type { KeyFetchFailure } from './fetch-keys.js'
import { createIntrospector, type Introspector } from './introspect.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { createSender } from './issuer-route.js'
import { createIssuerVerifier, type IssuerVerifier } from './issuer-verifier.js'
import { createKeySource, type KeySource } from './jwks.js'
import type { RefreshedKeys } from './kept-keys.js'
import { refuseToken } from './token-fault.js'
import { decodeSegment, readTokenFormat, type TokenFormat } from './token-format.js'
import type { TokenProof, TokenVerdict, TokenVerifier } from './token-verifier.js'
import { createVerifiedTokens, type VerifiedToken } from './verified-tokens.js'

export interface TokenVerifierDeps {
  /** Wall clock, ms since the epoch. */
  readonly now?: () => number
  /** Told of every fetch of keys that ended, by the issuer's configured name; must not throw. */
  readonly onRefreshed: (issuer: string, refreshed: RefreshedKeys) => void
  readonly onFailed: (issuer: string, failure: KeyFetchFailure) => void
}

interface Issuer {
  readonly verifier: IssuerVerifier
  readonly source: KeySource
  readonly introspector: Introspector | null
}

/** A token, and what is known beside it. */
interface Question extends TokenProof { readonly token: string }

const UNPROVEN = refuseToken('sender_constrained')

/** What is to be done about a token: nothing more, or first one request to its issuer. */
type Decision =
  { readonly kind: 'verdict', readonly verdict: TokenVerdict } |
  { readonly kind: 'fetch_keys', readonly ended: Promise<void> } |
  { readonly kind: 'introspect', readonly introspector: Introspector, readonly verified: VerifiedToken }

/**
 * Makes the verifier of all configured issuers. Keys are never shared between them; the unverified `iss` does no more
 * than choose one of the list.
 */
export function createTokenVerifier (settings: TokenSettings, deps: TokenVerifierDeps): TokenVerifier {
  const now = deps.now ?? Date.now
  const fetchJson = createFetchJson(createSender(settings.route))
  const issuers = settings.issuers.map(config => createIssuer(config, settings, fetchJson, now, deps))
  const byIssuer = new Map(issuers.map(issuer => [issuer.verifier.config.issuer, issuer]))
  const onlyIssuer = issuers.length === 1 ? issuers[0] : undefined
  const known = createVerifiedTokens(settings.cacheSize)

  function decide (question: Question, mayFetch: boolean): Decision {
    const { token, jkt } = question
    const nowMs = now()
    const remembered = known.find(token)
    if (remembered !== undefined) return { kind: 'verdict', verdict: recheck(question, remembered, nowMs) }
    const format = readTokenFormat(token)
    if (format === null) return { kind: 'verdict', verdict: refuseToken('format') }
    const issuer = onlyIssuer ?? chooseIssuer(token, format)
    if (issuer === undefined) return { kind: 'verdict', verdict: refuseToken('unknown_issuer') }
    const local = issuer.verifier.check(token, format, nowMs)
    if (local.kind === 'fault') return { kind: 'verdict', verdict: refuseToken(local.fault) }
    if (local.kind === 'no_key') return decideWithoutKey(issuer, local.expired, mayFetch)
    if (!isProven(local.identity.confirmation, jkt)) return { kind: 'verdict', verdict: UNPROVEN }
    const verdict = { ok: true, identity: local.identity } as const
    const verified = { verdict, key: local.key, verifier: issuer.verifier }
    if (issuer.introspector !== null) return { kind: 'introspect', introspector: issuer.introspector, verified }
    known.remember(token, verified)
    return { kind: 'verdict', verdict }
  }

  /** What is remembered holds for the token; a key that it is bound to is proven each time anew. */
  function recheck ({ token, jkt }: Question, { verdict }: VerifiedToken, nowMs: number): TokenVerdict {
    const { expiresAtMs, confirmation } = verdict.identity
    if (!hasExpired(expiresAtMs, settings.clockToleranceMs, nowMs)) return isProven(confirmation, jkt) ? verdict : UNPROVEN
    known.drop(token)
    return refuseToken('expired')
  }

  function chooseIssuer (token: string, format: TokenFormat): Issuer | undefined {
    const claimed = decodeSegment(token.slice(format.headerEnd + 1, format.payloadEnd))?.['iss']
    return typeof claimed === 'string' ? byIssuer.get(claimed) : undefined
  }

  async function settle (question: Question, decision: Decision): Promise<TokenVerdict> {
    const { token } = question
    if (decision.kind === 'verdict') return decision.verdict
    if (decision.kind === 'fetch_keys') {
      await decision.ended
      return await settle(question, decide(question, false))
    }
    const fault = await decision.introspector.ask(token)
    if (fault !== null) return refuseToken(fault)
    known.remember(token, decision.verified)
    // The answer may have taken seconds, in which the token can have ended.
    return recheck(question, decision.verified, now())
  }

  return {
    verifyNow: (token, proof) => {
      const decision = decide({ token, ...proof }, true)
      return decision.kind === 'verdict' ? decision.verdict : null
    },
    verify: async (token, proof) => {
      const question = { token, ...proof }
      return await settle(question, decide(question, true))
    },
    start: async () => { await Promise.all(issuers.map(async issuer => { await issuer.source.refresh() })) },
    status: () => issuers.map(issuer => issuer.source.status()),
    forget: known.forget,
    close: () => { issuers.forEach(closeIssuer) }
  }
}

function closeIssuer ({ source, introspector }: Issuer): void {
  source.close()
  introspector?.close()
}

function decideWithoutKey ({ source }: Issuer, expired: boolean, mayFetch: boolean): Decision {
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
  const { introspection } = config
  return {
    verifier: createIssuerVerifier(config, settings, source),
    source,
    introspector: introspection === null ? null : createIntrospector(introspection, fetchJson, settings.jwks.timeoutMs)
  }
}
