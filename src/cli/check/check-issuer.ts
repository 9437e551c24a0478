import type { Config } from '../../config/config.js'
import { createFetchJson, type FetchJson } from '../../tokens/fetch-json.js'
import { fetchKeys, type KeyFetchFault } from '../../tokens/fetch-keys.js'
import { createIntrospector } from '../../tokens/introspect.js'
import type { IssuerConfig } from '../../tokens/issuer-config.js'
import { createSender, type SendRequest } from '../../tokens/issuer-route.js'
import { buildKeySet, type SkippedKeys } from '../../tokens/key-set.js'
import { checkDiscovery } from './check-discovery.js'
import { measureClock } from './measure-clock.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

/** Each fault in words for an operator, after the address that was asked. */
export const KEY_FAULTS: Readonly<Record<KeyFetchFault, string>> = {
  timeout: 'did not answer within JWKS_TIMEOUT_MS',
  name_not_found: 'has a host whose name cannot be looked up: the name, and the resolver of this host',
  connection_refused: 'refuses the connection: nobody listens at its port, or at the port of the proxy',
  unreachable: 'cannot be reached: routes and firewalls',
  tls: 'fails in TLS: its certificate has ended, is for another name or of an authority that is not known (ISSUER_CA_FILE), or it speaks no TLS',
  connection_lost: 'lost the connection before its answer came',
  proxy_refused: 'is not asked by the proxy, which answered with the status beside this: its rules and password, HTTPS_PROXY, NO_PROXY',
  network: 'cannot be reached: the code beside this says why',
  redirect: 'answered with a redirect, which is not followed: name the address it leads to',
  status: 'answered with another status than 200, which is beside this: is the address right?',
  too_large: 'sent more than a key document may be',
  not_json: 'sent no JSON object: is the address right?',
  bad_document: 'sent a document without what belongs in it',
  too_many_keys: 'publishes more than 100 keys',
  no_usable_key: 'publishes no key that can be used',
  wrong_issuer: 'names another issuer in its discovery document: the setting must be exactly what `iss` says, with or without its last slash',
  insecure_uri: 'names an address for its keys that is not https'
}

interface KeyNames { readonly count: number, readonly text: string, readonly skipped: SkippedKeys }

/** The kids and algorithms of a published set; the kids are public, and bounded by the import. */
function describeKeys (published: readonly unknown[], issuer: IssuerConfig): KeyNames {
  const { keys, skipped } = buildKeySet(published, issuer.algorithms, new Map())
  const names = [...keys.byFingerprint.values()].map(({ keyId, checks }) =>
    `${keyId === null ? 'no kid' : JSON.stringify(keyId)} (${[...checks.keys()].join(', ')})`)
  return { count: keys.size, text: names.join(', '), skipped }
}

async function checkKeys (issuer: IssuerConfig, fetchJson: FetchJson, timeoutMs: number, part: string): Promise<Verdict[]> {
  const fetched = await fetchKeys(issuer, fetchJson, AbortSignal.timeout(timeoutMs))
  if (!fetched.ok) return [fail(part, `keys: ${fetched.address} ${KEY_FAULTS[fetched.fault]}${fetched.detail === null ? '' : ` (${fetched.detail})`}`)]
  const { count, text, skipped } = describeKeys(fetched.published, issuer)
  const unused = Object.entries(skipped).map(([reason, number]) => `${number} ${reason.replaceAll('_', ' ')}`).join(', ')
  // Keycloak publishes a key for encryption beside the others: what is not used is no fault while something is.
  const aside = unused === '' ? '' : `; not used: ${unused}`
  if (count > 0) return [ok(part, `keys: ${text}${aside}`)]
  if (issuer.hmacSecret !== null) return [ok(part, `keys: the shared secret alone (HS256)${aside}`)]
  return [fail(part, `keys: none that may sign ${issuer.algorithms.join(', ')}${aside}`)]
}

async function checkClock (
  issuer: IssuerConfig, send: SendRequest, { jwks, clockToleranceMs }: Config['tokens'], part: string
): Promise<Verdict[]> {
  const aheadMs = await measureClock(issuer, send, jwks.timeoutMs)
  if (aheadMs === null) return []
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  // The header has whole seconds.
  if (Math.abs(aheadMs) <= clockToleranceMs + 1000) return [ok(part, `clock: ${seconds} s apart`)]
  const side = aheadMs > 0 ? 'ahead of' : 'behind'
  return [warn(part, `clock: ${seconds} s ${side} this host's, beyond JWT_CLOCK_TOLERANCE_S: ${aheadMs > 0 ? 'fresh tokens are refused' : 'tokens end early here'}`)]
}

async function checkIntrospection (
  { introspection }: IssuerConfig, fetchJson: FetchJson, timeoutMs: number, part: string
): Promise<Verdict[]> {
  if (introspection === null) return []
  const introspector = createIntrospector(introspection, fetchJson, timeoutMs)
  // No token at all: an issuer that knows this client answers that it is not active (RFC 7662 section 2.2).
  const fault = await introspector.ask('portcullis-check')
  introspector.close()
  return [fault === 'introspection_unavailable'
    ? fail(part, `introspection: ${introspection.endpoint} gave no answer: KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET must be those of a confidential client`)
    : ok(part, 'introspection: answers')]
}

/**
 * Fetches one issuer's keys as the gateway would, compares what it calls itself, compares clocks, and tries introspection where it
 * is on.
 */
export async function checkIssuer (issuer: IssuerConfig, tokens: Config['tokens']): Promise<Verdict[]> {
  const part = `issuer ${issuer.name}`
  const { timeoutMs } = tokens.jwks
  const send = createSender(tokens.route)
  const fetchJson = createFetchJson(send)
  const keys = await checkKeys(issuer, fetchJson, timeoutMs, part)
  const rest = await Promise.all([
    checkDiscovery(issuer, fetchJson, timeoutMs, part),
    checkClock(issuer, send, tokens, part),
    checkIntrospection(issuer, fetchJson, timeoutMs, part)
  ])
  return [...keys, ...rest.flat()]
}
