import type { ReportMistake } from './read-settings.js'
import type { SettingName, SettingValues } from './settings.js'

/** What an issuer's tokens name, and where it is asked. */
export interface IssuerAddresses {
  /** The exact `iss`. */
  readonly issuer: string
  /** The same from where the gateway stands: its keys, discovery document and introspection are below it. */
  readonly reachedAt: string
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

/** The end of the address of a realm. */
const REALM = /\/realms\/[^/]+$/

/** An outer address is only compared, never asked: it has to be one that a token can name. */
function checkOuter (setting: SettingName, url: string | undefined, report: ReportMistake): void {
  if (url === undefined) return
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) report(setting, 'must be an http or https URL')
}

/**
 * The addresses of a realm: `KEYCLOAK_URL` and, where tokens name another, `KEYCLOAK_ISSUER_URL`, with or without its
 * `/realms/<realm>`. Keycloak writes the realm's name into its issuer as `encodeURIComponent` does.
 */
export function keycloakAddresses (values: SettingValues, report: ReportMistake): IssuerAddresses {
  const { KEYCLOAK_URL: inner = '', KEYCLOAK_ISSUER_URL: outer, KEYCLOAK_REALM: realm = '' } = values
  const path = `/realms/${encodeURIComponent(realm)}`
  const base = withoutSlash(inner)
  if (REALM.test(base)) {
    report('KEYCLOAK_URL', `is the address of Keycloak, without its realm: ${JSON.stringify(base.replace(REALM, '').slice(0, 80))}, and the realm in KEYCLOAK_REALM`)
  }
  checkOuter('KEYCLOAK_ISSUER_URL', outer, report)
  const named = withoutSlash(outer ?? inner)
  if (outer !== undefined && REALM.test(named) && !named.endsWith(path)) {
    report('KEYCLOAK_ISSUER_URL', `ends in another realm than KEYCLOAK_REALM has: with its realm it would end in ${path}`)
  }
  return { issuer: named.endsWith(path) ? named : named + path, reachedAt: base + path }
}

/** The addresses of a project: `SUPABASE_URL` and, where tokens name another issuer, `SUPABASE_ISSUER` as it stands. */
export function supabaseAddresses (values: SettingValues, report: ReportMistake): IssuerAddresses {
  const reachedAt = `${withoutSlash(values.SUPABASE_URL ?? '')}/auth/v1`
  checkOuter('SUPABASE_ISSUER', values.SUPABASE_ISSUER, report)
  return { issuer: values.SUPABASE_ISSUER ?? reachedAt, reachedAt }
}

/**
 * `JWT_JWKS_URI` where it belongs to a preset: `JWT_ISSUER` is unset, and one preset is the only issuer of settings of its own.
 * Undefined: it is not set, or is of another issuer.
 */
export function presetJwksUri (values: SettingValues): string | undefined {
  const presets = [values.KEYCLOAK_URL, values.SUPABASE_URL].filter(url => url !== undefined)
  return values.JWT_ISSUER === undefined && presets.length === 1 ? values.JWT_JWKS_URI : undefined
}
