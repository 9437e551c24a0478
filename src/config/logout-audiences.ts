import type { Config } from './config.js'

/** The issuers whose logouts cannot be heard by these settings, and why. */
export function withoutAudience ({ tokens, issuerWord: { logout } }: Config): Array<{ readonly issuer: string, readonly reason: string }> {
  if (logout === null || logout.anyClient || logout.audiences !== null) return []
  return tokens.issuers.filter(({ preset }) => preset === 'keycloak').map(({ name }) => ({
    issuer: name,
    reason: 'OIDC_LOGOUT_AUDIENCES is unset: Keycloak names the front-end client in its logout tokens, so none of them will be heard; list those clients, or set OIDC_BACKCHANNEL_LOGOUT=false'
  }))
}
