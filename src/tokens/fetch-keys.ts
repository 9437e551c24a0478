import type { FetchFailure, FetchFault, FetchJson } from './fetch-json.js'

/** Why an issuer's keys did not come. */
export type KeyFetchFault = FetchFault |
  'bad_document' | 'too_many_keys' | 'no_usable_key' | 'wrong_issuer' | 'insecure_uri'

/** Why an issuer's keys did not come, and from where. */
export interface KeyFetchFailure extends FetchFailure<KeyFetchFault> {
  /** The address that was asked, without its query. */
  readonly address: string
}

export interface PublishedKeys {
  readonly ok: true
  readonly published: readonly unknown[]
  /** Where they stand, without its query. */
  readonly address: string
}

export type FetchedKeys = PublishedKeys | KeyFetchFailure

/** Longest discovery document or key set, decompressed. */
export const MAX_DOCUMENT_BYTES = 256 * 1024
const MAX_KEYS = 100

/**
 * Gets an issuer's published keys (RFC 7517 section 5). Without a configured address the discovery document is read
 * each time: an issuer that moves its keys is followed by the next fetch, and no remembered address can go stale.
 */
export async function fetchKeys (
  source: { readonly issuer: string, readonly jwksUri: string | null }, fetchJson: FetchJson, signal: AbortSignal
): Promise<FetchedKeys> {
  let uri = source.jwksUri
  if (uri === null) {
    const found = await discoverJwksUri(source.issuer, fetchJson, signal)
    if (!found.ok) return found
    uri = found.uri
  }
  const address = withoutQuery(uri)
  const fetched = await fetchJson(uri, { signal, maxBytes: MAX_DOCUMENT_BYTES })
  if (!fetched.ok) return { ...fetched, address }
  const published: unknown = fetched.document['keys']
  if (!Array.isArray(published)) return { ok: false, fault: 'bad_document', detail: 'no list `keys`', address }
  if (published.length > MAX_KEYS) return { ok: false, fault: 'too_many_keys', detail: String(published.length), address }
  return { ok: true, published, address }
}

/** A query may hold a secret of the operator. */
function withoutQuery (uri: string): string {
  const { origin, pathname } = new URL(uri)
  return origin + pathname
}

type Discovered = { readonly ok: true, readonly uri: string } | KeyFetchFailure

/** Where the discovery document of an issuer stands that is reached at `base` (OpenID Connect Discovery 1.0 section 4). */
export const discoveryAddress = (base: string): string => `${base.replace(/\/$/, '')}/.well-known/openid-configuration`

/** OpenID Connect Discovery 1.0 section 4.3: the document must name exactly the issuer that was asked. */
async function discoverJwksUri (issuer: string, fetchJson: FetchJson, signal: AbortSignal): Promise<Discovered> {
  const address = discoveryAddress(issuer)
  const fetched = await fetchJson(address, { signal, maxBytes: MAX_DOCUMENT_BYTES })
  const fail = (fault: KeyFetchFault, detail: string | null): KeyFetchFailure => ({ ok: false, fault, detail, address })
  if (!fetched.ok) return { ...fetched, address }
  const { issuer: named, jwks_uri: uri } = fetched.document
  if (named !== issuer) return fail('wrong_issuer', typeof named === 'string' ? `it names ${JSON.stringify(named)}` : 'it names none')
  if (typeof uri !== 'string' || !URL.canParse(uri)) return fail('bad_document', 'no address `jwks_uri`')
  return isSecureEnough(uri, issuer) ? { ok: true, uri } : fail('insecure_uri', withoutQuery(uri))
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
