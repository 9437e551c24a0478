import { isTime } from './claim-times.js'
import type { IssuerConfig, TokenSettings } from './issuer-config.js'
import { showValue } from './show-value.js'
import { TOKEN_CAUSES } from './token-causes.js'
import type { TokenFault } from './token-fault.js'
import type { TokenInspection, TokenRefusal } from './token-verifier.js'

/** Why a token is refused, for operators: a sentence with both values where two differ, and what to look at. No part of the token. */
export interface TokenWords {
  readonly because: string
  /** The setting that decided. */
  readonly setting?: string
  /** The claim that decided. */
  readonly claim?: string
}

type Inspected = Omit<TokenInspection, 'verdict'>

/** What decides each fault, where one claim or one setting does. What both is left out depends on the fault's own words. */
const DECIDED_BY: Readonly<Partial<Record<TokenFault, Omit<TokenWords, 'because'>>>> = {
  header_type: { setting: 'JWT_TYP' },
  algorithm: { setting: 'JWT_ALGORITHMS' },
  unknown_issuer: { claim: 'iss', setting: 'JWT_ISSUER' },
  expiry: { claim: 'exp' },
  not_before: { claim: 'nbf', setting: 'JWT_CLOCK_TOLERANCE_S' },
  issued_at: { claim: 'iat', setting: 'JWT_CLOCK_TOLERANCE_S' },
  lifetime: { claim: 'exp', setting: 'JWT_MAX_LIFETIME_S' },
  audience: { claim: 'aud', setting: 'JWT_AUDIENCE' },
  token_type: { claim: 'typ' },
  acr: { claim: 'acr', setting: 'JWT_ACR' },
  auth_age: { claim: 'auth_time', setting: 'JWT_MAX_AUTH_AGE_S' },
  expired: { claim: 'exp', setting: 'JWT_CLOCK_TOLERANCE_S' },
  expired_unproven: { claim: 'exp', setting: 'JWT_CLOCK_TOLERANCE_S' },
  sender_constrained: { claim: 'cnf' },
  unknown_key: { setting: 'JWKS_COOLDOWN_S' },
  keys_unavailable: { setting: 'JWT_JWKS_URI' },
  inactive: { setting: 'JWT_INTROSPECTION_URI' },
  introspection_unavailable: { setting: 'JWT_INTROSPECTION_URI' },
  introspection_client: { setting: 'JWT_INTROSPECTION_CLIENT_ID' },
  introspection_busy: { setting: 'JWT_INTROSPECT_PER_S' }
}

/** Where an issuer that is no `JWT_ISSUER` has what the settings above name. */
const BY_PRESET: Readonly<Record<IssuerConfig['preset'], Readonly<Record<string, string>>>> = {
  oidc: {},
  keycloak: {
    JWT_AUDIENCE: 'KEYCLOAK_CLIENT_ID', JWT_ISSUER: 'KEYCLOAK_URL', JWT_JWKS_URI: 'KEYCLOAK_URL', JWT_INTROSPECTION_URI: 'KEYCLOAK_INTROSPECT', JWT_INTROSPECTION_CLIENT_ID: 'KEYCLOAK_CLIENT_SECRET'
  },
  supabase: { JWT_AUDIENCE: 'SUPABASE_URL', JWT_ISSUER: 'SUPABASE_URL', JWT_JWKS_URI: 'SUPABASE_URL' }
}
const FROM_ISSUERS = /^JWT_(?:AUDIENCE|ISSUER|JWKS_URI|ALGORITHMS)$/

function settingOf (setting: string, issuer: IssuerConfig | undefined): string {
  if (issuer === undefined || issuer.name === 'oidc') return setting
  return BY_PRESET[issuer.preset][setting] ?? (issuer.preset === 'oidc' && FROM_ISSUERS.test(setting) ? 'ISSUERS' : setting)
}

const showTime = (value: unknown): string => isTime(value) && value < 8.64e12 ? new Date(value * 1000).toISOString() : showValue(value)

/** When an issuer's keys were fetched. `nowMs`: ms since the epoch. */
export function showKeysAge (keysAgeS: number | null, nowMs: number): string {
  if (keysAgeS === null) return 'none of its keys were fetched yet'
  return `its keys were fetched at ${new Date(nowMs - keysAgeS * 1000).toISOString()} (${Math.floor(keysAgeS)} s ago)`
}

/** Both values, where the fault's own words do not have them: what the token says is shown as it stands, unverified. */
function showBoth (fault: TokenFault, { claims, header, keysAgeS, fetchInMs }: Inspected, { settings, issuer, nowMs }: Scene): string | null {
  const tolerance = `JWT_CLOCK_TOLERANCE_S is ${settings.clockToleranceMs / 1000}`
  const now = `now is ${new Date(nowMs).toISOString()}, ${tolerance}`
  switch (fault) {
    case 'unknown_issuer': return `iss is ${showValue(claims?.['iss'])}, configured is ${showValue(settings.issuers.map(each => each.issuer))}`
    case 'expired': case 'expired_unproven': return `exp is ${showTime(claims?.['exp'])}, ${now}`
    case 'not_before': return `nbf is ${showTime(claims?.['nbf'])}, ${now}`
    case 'issued_at': return `iat is ${showTime(claims?.['iat'])}, ${now}`
    case 'algorithm': return `alg is ${showValue(header?.['alg'])}, wanted is ${showValue(issuer?.algorithms ?? [])}`
    case 'header_type': return `typ is ${showValue(header?.['typ'])}`
    case 'unknown_key': return `kid is ${showValue(header?.['kid'])}; ${showKeysAge(keysAgeS, nowMs)}; ${sayNextFetch(fetchInMs)}`
    case 'signature': return `kid is ${showValue(header?.['kid'])}; ${showKeysAge(keysAgeS, nowMs)}`
    default: return null
  }
}

const sayNextFetch = (fetchInMs: number): string => fetchInMs > 0
  ? `they are not fetched again for ${Math.ceil(fetchInMs / 1000)} s`
  : 'this question fetches none, an upgrade with this key would'

interface Scene {
  readonly settings: TokenSettings
  readonly issuer: IssuerConfig | undefined
  /** ms since the epoch. */
  readonly nowMs: number
}

const WANTED = ', wanted is '

/** Says why a token was refused, by the fault that the verifier found. */
export function describeTokenRefusal ({ detail }: TokenRefusal, inspected: Inspected, settings: TokenSettings, nowMs: number): TokenWords {
  const [word = ''] = detail.split(':', 1)
  const fault = word as TokenFault
  const own = detail.slice(word.length + 2)
  const issuer = settings.issuers.find(({ name }) => name === inspected.issuer)
  const shown = own === '' ? showBoth(fault, inspected, { settings, issuer, nowMs }) ?? '' : own
  const { claim, setting: generic } = DECIDED_BY[fault] ?? {}
  const setting = generic === undefined ? undefined : settingOf(generic, issuer)
  const at = setting === undefined ? -1 : shown.lastIndexOf(WANTED)
  const values = at === -1 ? shown : `${shown.slice(0, at)}, ${setting} is ${shown.slice(at + WANTED.length)}`
  const named = /^([\w:./-]+) is /.exec(own)?.[1] ?? (fault === 'claim_missing' || fault === 'subject' ? own : claim)
  return {
    because: `${values === '' ? word : `${word}: ${values}`} (${TOKEN_CAUSES[fault]})`,
    ...(setting === undefined ? {} : { setting }),
    ...(named === undefined ? {} : { claim: named })
  }
}
