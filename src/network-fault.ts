/** Why a server could not be reached, or was lost. */
export type NetworkFault = 'name_not_found' | 'connection_refused' | 'tls' | 'unreachable' | 'connection_lost'

/** What the system, TLS, the HTTP client and the driver of Postgres call it. */
const FAULTS: ReadonlyArray<readonly [RegExp, NetworkFault]> = [
  [/^(?:ENOTFOUND|EAI_)/, 'name_not_found'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(?:CERT|ERR_TLS|ERR_SSL|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH|EPROTO|UND_ERR_PRX_TLS)/, 'tls'],
  [/^(?:EHOST|ENET|EADDRNOTAVAIL|ETIMEDOUT|EACCES|EPERM|UND_ERR_CONNECT_TIMEOUT)/, 'unreachable'],
  [/^(?:ECONN|EPIPE|CONNECTION_|UND_ERR_SOCKET)/, 'connection_lost']
]

/** What Node says when a server closes the connection instead of speaking TLS; the code alone is that of a lost one. */
const BEFORE_TLS = /before secure TLS connection was established/

function endedBeforeTls (error: unknown): boolean {
  return error instanceof Error && (BEFORE_TLS.test(error.message) || endedBeforeTls(error.cause))
}

/** What a failure on the way to a server means, by its code (null: it has none); null when no word fits. */
export function findNetworkFault (error: unknown, code: string | null): NetworkFault | null {
  if (endedBeforeTls(error)) return 'tls'
  return FAULTS.find(([pattern]) => code !== null && pattern.test(code))?.[1] ?? null
}
