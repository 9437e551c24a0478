/** What of a request tells by which address its client reached us. */
export interface TargetFacts {
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>
  /** The peer is a proxy that we were told to believe. */
  readonly viaTrustedProxy: boolean
}

export interface TargetSettings {
  /** `PUBLIC_URL` without a slash at its end; null: unset. */
  readonly publicUrl: string | null
  /** The main port speaks TLS. */
  readonly isTls: boolean
}

/** Of several entries the last: the proxy that we believe wrote it, those before it may be the client's. */
const lastOf = (header: string | undefined): string => header?.split(',').at(-1)?.trim() ?? ''

/** A host as requests name it (RFC 9110 section 7.2): with a path or a query in it, it would stand for another address. */
const HOST = /^(?:[A-Za-z0-9._~-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** The address that a proof must name (`htu`, RFC 9449 section 4.2). Null: the request names no host, or what is none. */
export function findTarget (path: string, { headers, viaTrustedProxy }: TargetFacts, { publicUrl, isTls }: TargetSettings): string | null {
  if (publicUrl !== null) return publicUrl + path
  const [proto, host] = viaTrustedProxy ? [lastOf(headers.get('x-forwarded-proto')), lastOf(headers.get('x-forwarded-host'))] : ['', '']
  const [scheme, named] = [proto || (isTls ? 'https' : 'http'), host || (headers.get('host') ?? '')]
  return /^https?$/i.test(scheme) && HOST.test(named) ? `${scheme}://${named}${path}` : null
}
