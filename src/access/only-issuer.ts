import { NOTHING_VISIBLE, type Authorizer } from './authorizer.js'

/**
 * Limits a database's authorizer to the users of one issuer: another issuer could mint a token with the same `sub`.
 * Everybody else sees nothing, and the database is not asked.
 */
export function createOnlyIssuerAuthorizer (issuer: string, authorizer: Authorizer): Authorizer {
  return {
    local: authorizer.local,
    visible (identity, token, asked, options) {
      if (identity.issuer !== issuer) return NOTHING_VISIBLE
      return authorizer.visible(identity, token, asked, options)
    },
    forget: (userId) => { authorizer.forget(userId) },
    watchSafety: (onUnsafe) => { authorizer.watchSafety?.(onUnsafe) },
    close: () => authorizer.close()
  }
}
