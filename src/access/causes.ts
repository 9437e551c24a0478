/** What is known of a cause, for operators. */
export interface Cause {
  readonly means: string
  /** What to look at, or to do. */
  readonly todo: string
}

/**
 * Why a user's rights could not be asked for: the one table of words, for Postgres and for PostgREST. The log says the word
 * and the code at hand (an SQLSTATE, an HTTP status, the system's own word), `check` and the documents say all of it.
 */
export const ACCESS_CAUSES = {
  name_not_found: { means: 'the name of its host cannot be looked up', todo: 'the host in DATABASE_URL or SUPABASE_URL, and the resolver of this host' },
  connection_refused: { means: 'nobody listens at its address and port', todo: 'whether it runs, host and port in DATABASE_URL or SUPABASE_URL' },
  unreachable: { means: 'its address cannot be reached', todo: 'routes and firewalls' },
  tls: { means: 'TLS fails: its certificate is not valid for its name, or of an unknown authority, or it speaks no TLS', todo: '`sslmode` in DATABASE_URL, the authority in DATABASE_CA_FILE or `sslrootcert`, the name in the certificate' },
  connection_lost: { means: 'the connection ended before the answer', todo: 'the log of the database and of the pooler: a restart, a fail-over, an idle time-out on the way' },
  timeout: { means: 'it did not answer by the deadline', todo: 'half of WS_UPGRADE_DEADLINE_MS is its time; a firewall that drops packets looks the same' },
  wrong_password: { means: 'the password of the login is wrong, or there is no such login', todo: 'user and password in DATABASE_URL' },
  login_refused: { means: 'the login is not let in, or there is none of that name', todo: 'pg_hba.conf: user, database, address and TLS' },
  database_missing: { means: 'there is no database of that name', todo: 'the path of DATABASE_URL' },
  too_many_connections: { means: 'the database takes no more connections', todo: 'max_connections, the limit of the role or the pooler; each process has up to 10' },
  not_now: { means: 'the database is starting, recovering, shutting down or out of resources', todo: 'its log' },
  statement_timeout: { means: 'the statement took too long and was cancelled', todo: 'indexes for what the policies read; a lock that somebody holds' },
  denied: { means: 'WS_PG_ROLE may not read something that the question or a policy reads', todo: 'the grants on tables, schemas and functions, of what the policies call as well' },
  missing: { means: 'a table, column, function or schema is not there', todo: 'the names in WS_PG_*, what the policies call, and the search path that they were made for; with PostgREST the exposed schemas' },
  policy_raised: { means: 'a policy, or a function that it calls, raised an error', todo: 'have it answer false or null for claims that it does not expect' },
  bad_value: { means: 'a policy could not read a value, such as a claim that is no uuid', todo: 'the cast in the policy: it fails for this user\'s claims' },
  writes: { means: 'a policy tried to write, in a transaction that only reads', todo: 'move what writes out of what policies call' },
  query_failed: { means: 'the database answered with another error', todo: 'its SQLSTATE, in appendix A of the manual of Postgres' },
  changed: { means: 'tables or policies changed while they were asked', todo: 'nothing, unless it goes on' },
  other_role: { means: 'the answer came as another role than WS_PG_ROLE', todo: 'the pooler: it must not split transactions (pool_mode=statement)' },
  token_refused: { means: 'PostgREST does not take the user\'s token', todo: 'whether both read the same keys, and their clocks' },
  too_many_requests: { means: 'PostgREST, or what stands before it, limits how often it is asked', todo: 'its limits for this host' },
  http_status: { means: 'PostgREST answered with another status', todo: 'the status, and its log' },
  bad_answer: { means: 'what came is no answer of PostgREST', todo: 'whether SUPABASE_URL leads to the project' },
  too_busy: { means: 'too many questions wait for the database', todo: 'why it is slow: `portcullis_upgrade_seconds`, its own load' },
  unsafe: { means: 'the database does not protect one user\'s rows from another', todo: 'the line `access.unsafe`, which names every fault' },
  stopping: { means: 'this process ends', todo: 'nothing' },
  unknown: { means: 'something failed that has no word of its own', todo: 'the code beside it; please report it' }
} as const satisfies Readonly<Record<string, Cause>>

export type AccessCause = keyof typeof ACCESS_CAUSES
