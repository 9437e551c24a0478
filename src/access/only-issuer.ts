import { NOTHING_VISIBLE, type Authorizer, type Visible } from './authorizer.js'

/** Nothing is visible, whatever the token says. */
const NOT_OURS: Visible = { ...NOTHING_VISIBLE, because: 'access_issuer' }

/**
 * Limits an authorizer to the users of some issuers, by their configured names: any other could mint a token with the same
 * `sub`, or with claims that name another's agents. Everybody else sees nothing, and the authorizer is not asked.
 */
export function createOnlyIssuerAuthorizer (issuers: ReadonlySet<string>, authorizer: Authorizer): Authorizer {
  return {
    local: authorizer.local,
    visible (identity, token, asked, options) {
      if (!issuers.has(identity.issuer)) return NOT_OURS
      return authorizer.visible(identity, token, asked, options)
    },
    forget: (userId) => { authorizer.forget(userId) },
    watchSafety: (onUnsafe) => { authorizer.watchSafety?.(onUnsafe) },
    close: () => authorizer.close()
  }
}
