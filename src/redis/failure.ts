import { RedisTimeout } from './bounded-wait.js'

/** Why Redis as a whole cannot be used now: a bounded vocabulary, without Redis's own words. */
export type AwayCause =
  | 'timeout' | 'unreachable' | 'too_many_clients' | 'unauthenticated' | 'read_only' | 'loading' | 'busy' | 'master_down'
  | 'out_of_memory' | 'misconfigured' | 'no_replicas' | 'cluster_down'

/**
 * What a failure says. `away`: nothing can be asked now, whatever it is about. `denied`: this user of Redis has no right to
 * this command, key or channel. `fault`: this one question went wrong, and others need not; `code`: the first word of
 * Redis's answer, or the name of the error.
 */
export type RedisFailure =
  | { readonly kind: 'away', readonly cause: AwayCause }
  | { readonly kind: 'denied' }
  | { readonly kind: 'fault', readonly code: string }

/** What the client library says when nothing was answered. */
const BY_LIBRARY: ReadonlyArray<readonly [RegExp, AwayCause]> = [
  [/timed out|socket timeout/i, 'timeout'],
  [/Too many Cluster redirections|Cluster isn't ready|None of startup nodes|Failed to refresh slots cache/, 'cluster_down'],
  [/Connection is closed|connection close|isn't writeable|Cluster is (?:ended|disconnect)|Node is disconnected|No master node|ECONN|ETIMEDOUT|EPIPE|EHOST|ENET|ENOTFOUND|EAI_|max retries per request/i, 'unreachable']
]

/** The first words of what Redis answers, in scripts too, where they may follow a place in the text. */
const BY_REDIS: Readonly<Record<string, AwayCause>> = {
  NOAUTH: 'unauthenticated',
  WRONGPASS: 'unauthenticated',
  READONLY: 'read_only',
  LOADING: 'loading',
  BUSY: 'busy',
  MASTERDOWN: 'master_down',
  OOM: 'out_of_memory',
  MISCONF: 'misconfigured',
  NOREPLICAS: 'no_replicas',
  CLUSTERDOWN: 'cluster_down',
  TRYAGAIN: 'cluster_down'
}
const AWAY_WORD = new RegExp(`(?:^|: ?-?)(${Object.keys(BY_REDIS).join('|')}) `)
const TOO_MANY_CLIENTS = /max number of clients/i
/** Redis 7.0 and 8.0 word a refusal in a script differently, and neither begins with NOPERM there. */
const DENIED = /^NOPERM|The user executing the script (?:can't|is lacking)|ACL failure in script/
const FIRST_WORD = /^-?([A-Z][A-Z_]{1,30})\b/
/** Errors by which the client library says that a command was not answered, whatever their words. */
const UNANSWERED = new Set(['AbortError', 'RedisError', 'MaxRetriesPerRequestError', 'ClusterAllFailedError'])
/** So are those of sockets, TLS and names, which carry a code of Node's. */
const isUnanswered = (error: Error): boolean => UNANSWERED.has(error.name) || ('code' in error && typeof error.code === 'string')
/** Cluster's own failure to connect carries that of the node which it asked last. */
const nodeErrorOf = (error: Error): unknown => 'lastNodeError' in error ? error.lastNodeError : undefined

/** Says what a failed call to Redis means: the one place that decides it. `error`: whatever was thrown. */
export function classifyFailure (error: unknown): RedisFailure {
  if (error instanceof RedisTimeout) return { kind: 'away', cause: 'timeout' }
  if (!(error instanceof Error)) return { kind: 'fault', code: 'unknown' }
  const ofNode = nodeErrorOf(error)
  if (ofNode instanceof Error) return classifyFailure(ofNode)
  const { message } = error
  if (DENIED.test(message)) return { kind: 'denied' }
  const cause = BY_REDIS[AWAY_WORD.exec(message)?.[1] ?? ''] ?? BY_LIBRARY.find(([pattern]) => pattern.test(message))?.[1]
  if (cause !== undefined) return { kind: 'away', cause }
  if (TOO_MANY_CLIENTS.test(message)) return { kind: 'away', cause: 'too_many_clients' }
  if (isUnanswered(error)) return { kind: 'away', cause: 'unreachable' }
  return { kind: 'fault', code: FIRST_WORD.exec(message)?.[1] ?? error.name }
}

/** Whether nothing else can be asked either: only this may begin an outage. */
export function isAway (error: unknown): boolean {
  return classifyFailure(error).kind === 'away'
}
