import type { KeyFetchFailure, KeyFetchFault } from '../../src/tokens/fetch-keys.js'
import { DIRECT } from '../../src/tokens/issuer-route.js'
import type { IssuerConfig, JwksSettings, TokenSettings } from '../../src/tokens/issuer-config.js'
import type { RefreshedKeys } from '../../src/tokens/kept-keys.js'
import type { TokenVerdict } from '../../src/tokens/token-verifier.js'
import { createTokenVerifier, type IssuersVerifier, type TokenVerifierDeps } from '../../src/tokens/verify.js'

/** The real time, because issuers sign with that, and as much more as a test adds. */
export interface Clock {
  readonly now: () => number
  advance (ms: number): void
  /** From now on only `advance` moves it. */
  freeze (): void
}

export function createClock (): Clock {
  let aheadMs = 0
  let frozenMs: number | null = null
  return {
    now: () => (frozenMs ?? Date.now()) + aheadMs,
    advance: ms => { aheadMs += ms },
    freeze: () => { frozenMs = Date.now() }
  }
}

export interface StartedVerifier {
  readonly verifier: IssuersVerifier
  readonly settings: TokenSettings
  readonly clock: Clock
  readonly refreshed: Array<RefreshedKeys & { readonly issuer: string }>
  readonly failed: KeyFetchFault[]
  /** The same, with the code at hand and the address. */
  readonly failures: readonly KeyFetchFailure[]
}

export interface VerifierOverrides {
  readonly settings?: Partial<Omit<TokenSettings, 'issuers' | 'jwks'>>
  readonly jwks?: Partial<JwksSettings>
  readonly clock?: Clock
  readonly introspection?: TokenVerifierDeps['introspection']
}

/** Makes a verifier that has tried every issuer once; it ends with the test. */
export async function startVerifier (
  t: { teardown (fn: () => unknown): unknown }, issuers: readonly IssuerConfig[], overrides: VerifierOverrides = {}
): Promise<StartedVerifier> {
  const clock = overrides.clock ?? createClock()
  const refreshed: StartedVerifier['refreshed'] = []
  const failed: KeyFetchFault[] = []
  const failures: KeyFetchFailure[] = []
  const settings: TokenSettings = {
    issuers,
    clockToleranceMs: 5000,
    maxLifetimeMs: 86_400_000,
    cacheSize: 1000,
    introspection: { countsMs: 30_000, perS: 50 },
    route: DIRECT,
    ...overrides.settings,
    jwks: { maxAgeMs: 600_000, cooldownMs: 30_000, maxStaleMs: 3_600_000, timeoutMs: 60_000, ...overrides.jwks }
  }
  const verifier = createTokenVerifier(settings, {
    now: clock.now,
    introspection: overrides.introspection ?? {},
    onRefreshed: (issuer, more) => { refreshed.push({ issuer, ...more }) },
    onFailed: (_, failure) => {
      failed.push(failure.fault)
      failures.push(failure)
    }
  })
  t.teardown(() => { verifier.close() })
  await verifier.start()
  return { verifier, settings, clock, refreshed, failed, failures }
}

/** A verdict in one line: `accepted <user id>`, `<refusal> <cause>`, or `pending`. */
export function describe (verdict: TokenVerdict | null): string {
  return describeWhole(verdict).split(':', verdict?.ok === true ? undefined : 1).join(':')
}

/** The same with all that the log says. */
export function describeWhole (verdict: TokenVerdict | null): string {
  if (verdict === null) return 'pending'
  return verdict.ok ? `accepted ${verdict.identity.userId}` : `${verdict.refusal} ${verdict.detail}`
}
