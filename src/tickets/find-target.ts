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

/** The address that a proof must name (`htu`, RFC 9449 section 4.2). */
export function findTarget (path: string, { headers, viaTrustedProxy }: TargetFacts, { publicUrl, isTls }: TargetSettings): string {
  if (publicUrl !== null) return publicUrl + path
  const [proto, host] = viaTrustedProxy ? [lastOf(headers.get('x-forwarded-proto')), lastOf(headers.get('x-forwarded-host'))] : ['', '']
  return `${proto || (isTls ? 'https' : 'http')}://${host || (headers.get('host') ?? '')}${path}`
}
