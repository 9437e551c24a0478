import { TOKEN_CAUSES } from '../tokens/token-causes.js'
import type { TokenStep } from '../tokens/token-step.js'
import type { TokenInspection } from '../tokens/token-verifier.js'

/** Why a token is refused, in a sentence, and what decided. */
export interface TokenWords extends Pick<TokenStep, 'claim' | 'setting'> {
  readonly because: string
}

/** What decides where the step of the token does not name it. */
const DECIDED_BY: Readonly<Record<string, Omit<TokenWords, 'because'>>> = {
  expired: { claim: 'exp', setting: 'JWT_CLOCK_TOLERANCE_S' },
  not_before: { claim: 'nbf', setting: 'JWT_CLOCK_TOLERANCE_S' },
  issued_at: { claim: 'iat', setting: 'JWT_CLOCK_TOLERANCE_S' },
  lifetime: { claim: 'exp', setting: 'JWT_MAX_LIFETIME_S' },
  unknown_key: { setting: 'JWKS_COOLDOWN_S' },
  keys_unavailable: { setting: 'JWT_JWKS_URI' },
  inactive: { setting: 'JWT_INTROSPECTION_URI' },
  introspection_unavailable: { setting: 'JWT_INTROSPECTION_URI' },
  introspection_client: { setting: 'JWT_INTROSPECTION_CLIENT_ID' },
  introspection_busy: { setting: 'JWT_INTROSPECT_PER_S' }
}
const SETTING_NAME = /[A-Z][A-Z_]+$/

/** When an issuer's keys were fetched. `nowMs`: ms since the epoch. */
export function showKeysAge (keysAgeS: number | null, nowMs: number): string {
  if (keysAgeS === null) return 'no keys were fetched yet'
  return `the keys were fetched at ${new Date(nowMs - keysAgeS * 1000).toISOString()} (${Math.floor(keysAgeS)} s ago)`
}

const sayNextFetch = (fetchInMs: number): string => fetchInMs > 0
  ? `they are not fetched again for ${Math.ceil(fetchInMs / 1000)} s`
  : 'this question fetches none, an upgrade with this key would'

/**
 * Says why a token was refused: by the step of the token's own explanation that found the same, else by the cause alone. `cause`: the
 * first word of `detail`. `nowMs`: ms since the epoch.
 */
export function describeTokenRefusal (
  cause: string, detail: string, { keysAgeS, fetchInMs }: TokenInspection, steps: readonly TokenStep[], nowMs: number
): TokenWords {
  const wanted = cause === 'expired_unproven' ? 'expired' : cause
  const step = steps.find(({ fault }) => fault === wanted)
  const means = cause in TOKEN_CAUSES ? `: ${TOKEN_CAUSES[cause as keyof typeof TOKEN_CAUSES]}` : ''
  const keys = cause === 'unknown_key' || cause === 'signature' ? `; ${showKeysAge(keysAgeS, nowMs)}` : ''
  const next = cause === 'unknown_key' ? `; ${sayNextFetch(fetchInMs)}` : ''
  const decided = DECIDED_BY[wanted]
  const setting = SETTING_NAME.exec(step?.setting ?? decided?.setting ?? '')?.[0]
  const claim = step?.claim ?? decided?.claim
  return {
    because: `${step === undefined ? `${detail}${means}` : `${cause}: ${step.because}`}${keys}${next}`,
    ...(setting === undefined ? {} : { setting }),
    ...(claim === undefined ? {} : { claim })
  }
}
