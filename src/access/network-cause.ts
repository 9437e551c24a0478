import type { AccessCause } from './causes.js'

/** What the system, TLS and the driver of Postgres call a failure to connect, or to stay connected. */
const CAUSES: ReadonlyArray<readonly [RegExp, AccessCause]> = [
  [/^(?:ENOTFOUND|EAI_)/, 'name_not_found'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(?:CERT|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO)/, 'tls'],
  [/^(?:EHOST|ENET|EADDRNOTAVAIL|ETIMEDOUT|EACCES|EPERM|UND_ERR_CONNECT_TIMEOUT)/, 'unreachable'],
  [/^(?:ECONN|EPIPE|CONNECTION_|UND_ERR_SOCKET)/, 'connection_lost'],
  [/^SASL_/, 'login_refused']
]

/** What Node says when a server closes the connection instead of speaking TLS; the code alone is that of a lost one. */
const BEFORE_TLS = /before secure TLS connection was established/

/** What a failure on the way to a server means, by its code (null: it has none). */
export function causeOfNetworkError (error: unknown, code: string | null): AccessCause {
  if (error instanceof Error && BEFORE_TLS.test(error.message)) return 'tls'
  return CAUSES.find(([pattern]) => code !== null && pattern.test(code))?.[1] ?? 'unknown'
}
