import { CannotStart } from '../cannot-start.js'
import { UnsafeDatabaseError } from '../access/access-error.js'
import { describeAccessFault, type AccessFault } from '../access/access-fault.js'
import type { Authorizer } from '../access/authorizer.js'
import { createClaimsAuthorizer } from '../access/claims-authorizer.js'
import { createOnlyIssuerAuthorizer } from '../access/only-issuer.js'
import { createPostgresAuthorizer, type PostgresAuthorizer } from '../access/postgres/authorizer.js'
import { createSupabaseAuthorizer, type SupabaseAuthorizer } from '../access/supabase/authorizer.js'
import type { Config } from '../config/config.js'

export interface Access {
  readonly authorizer: Authorizer
  /** The user's own token is presented to a back end, so open connections keep theirs. */
  readonly keepTokens: boolean
  /**
   * Rejects when the back end would not protect its rows; `onAway` is told when it does not answer. Resolves with what operators
   * should look at, in sentences.
   */
  start (onAway: (fault: AccessFault) => void): Promise<readonly string[]>
}

const POOL_SIZE = 10
const CACHE_MS = 5000
const monotonic = (): number => performance.now()

/**
 * An unsafe database must not be used at all. One that is away is a fault of the day: every connection to it is inspected
 * before its first use.
 */
async function startUnlessUnsafe (
  backEnd: PostgresAuthorizer | SupabaseAuthorizer, onAway: (fault: AccessFault) => void
): Promise<readonly string[]> {
  try {
    return await backEnd.start()
  } catch (error) {
    if (error instanceof UnsafeDatabaseError) throw new CannotStart(`WS_AUTHORIZER=postgres: ${error.message}`)
    onAway(describeAccessFault(error))
    return []
  }
}

/**
 * Chooses who decides what a user may see: the program's own authorizer, or the configured one. `onShown` hears, in sentences for
 * operators, of rows that were not given because they are shown to nobody in particular.
 */
export function composeAccess (
  { access, upgrade }: Config, own: Authorizer | null = null, onShown: (sentence: string) => void = () => {}
): Access {
  if (own !== null) return { authorizer: own, keepTokens: !own.local, start: async () => [] }
  // Half of the deadline at most: the other half is for the limits before and after.
  const checkTimeoutMs = Math.max(50, upgrade.deadlineMs / 2)
  const onlyTheirs = (authorizer: Authorizer): Authorizer =>
    access.issuers === null ? authorizer : createOnlyIssuerAuthorizer(access.issuers, authorizer)
  if (access.authorizer === 'postgres' && access.databaseUrl !== null) {
    const postgres = createPostgresAuthorizer({
      url: access.databaseUrl,
      role: access.pgRole,
      relations: access.relations,
      poolSize: POOL_SIZE,
      checkTimeoutMs,
      cacheMs: CACHE_MS,
      onNote: onShown
    }, { now: monotonic })
    return { authorizer: onlyTheirs(postgres), keepTokens: false, start: async (onAway) => await startUnlessUnsafe(postgres, onAway) }
  }
  if (access.authorizer === 'supabase' && access.supabase !== null) {
    const supabase = createSupabaseAuthorizer({
      ...access.supabase,
      relations: access.relations,
      publicTables: access.supabase.publicTables,
      checkTimeoutMs,
      cacheMs: CACHE_MS,
      onShown
    }, { now: monotonic })
    return { authorizer: onlyTheirs(supabase), keepTokens: true, start: async (onAway) => await startUnlessUnsafe(supabase, onAway) }
  }
  return { authorizer: onlyTheirs(createClaimsAuthorizer()), keepTokens: false, start: async () => [] }
}
