import { fetchJson, type FetchFault } from './fetch-json.js'

/** Why an issuer's keys did not come. */
export type KeyFetchFault = FetchFault |
  'bad_document' | 'too_many_keys' | 'no_usable_key' | 'wrong_issuer' | 'insecure_uri'

export type FetchedKeys =
  { readonly ok: true, readonly published: readonly unknown[] } | { readonly ok: false, readonly fault: KeyFetchFault }

const MAX_DOCUMENT_BYTES = 256 * 1024
const MAX_KEYS = 100

/**
 * Gets an issuer's published keys (RFC 7517 section 5). Without a configured address the discovery document is read
 * each time: an issuer that moves its keys is followed by the next fetch, and no remembered address can go stale.
 */
export async function fetchKeys (
  source: { readonly issuer: string, readonly jwksUri: string | null }, signal: AbortSignal
): Promise<FetchedKeys> {
  let uri = source.jwksUri
  if (uri === null) {
    const found = await discoverJwksUri(source.issuer, signal)
    if (!found.ok) return found
    uri = found.uri
  }
  const fetched = await fetchJson(uri, { signal, maxBytes: MAX_DOCUMENT_BYTES })
  if (!fetched.ok) return fetched
  const published: unknown = fetched.document['keys']
  if (!Array.isArray(published)) return { ok: false, fault: 'bad_document' }
  if (published.length > MAX_KEYS) return { ok: false, fault: 'too_many_keys' }
  return { ok: true, published }
}

type Discovered = { readonly ok: true, readonly uri: string } | { readonly ok: false, readonly fault: KeyFetchFault }

/** OpenID Connect Discovery 1.0 section 4: the document must name exactly the issuer that was asked. */
async function discoverJwksUri (issuer: string, signal: AbortSignal): Promise<Discovered> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const fetched = await fetchJson(address, { signal, maxBytes: MAX_DOCUMENT_BYTES })
  if (!fetched.ok) return fetched
  const { issuer: named, jwks_uri: uri } = fetched.document
  if (named !== issuer) return { ok: false, fault: 'wrong_issuer' }
  if (typeof uri !== 'string' || !URL.canParse(uri)) return { ok: false, fault: 'bad_document' }
  return isSecureEnough(uri, issuer) ? { ok: true, uri } : { ok: false, fault: 'insecure_uri' }
}

/**
 * Whether a discovered address may hold an issuer's keys: https, or http when the issuer itself is http, which was
 * decided with the settings. The keys may be no weaker than their issuer.
 */
export function isSecureEnough (uri: string, issuer: string): boolean {
  const { protocol, username, password } = new URL(uri)
  if (username !== '' || password !== '') return false
  return protocol === 'https:' || (protocol === 'http:' && new URL(issuer).protocol === 'http:')
}
