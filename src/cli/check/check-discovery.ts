import { discoveryAddress, MAX_DOCUMENT_BYTES } from '../../tokens/fetch-keys.js'
import type { FetchJson } from '../../tokens/fetch-json.js'
import type { IssuerConfig } from '../../tokens/issuer-config.js'
import { nameSettings } from '../../tokens/issuer-settings.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const quote = (text: string): string => JSON.stringify(text.slice(0, 200))

function compare (issuer: IssuerConfig, named: string, part: string): Verdict {
  if (named === issuer.issuer) return ok(part, `issuer: its discovery document names ${quote(named)}, as tokens must`)
  const { issuer: setting } = nameSettings(issuer)
  if (named === issuer.reachedAt) {
    return warn(part, `issuer: asked at ${quote(named)} it names itself so, and tokens must name ${quote(issuer.issuer)} (${setting}): ` +
      'that is right only where it takes its name from each request and tokens are had there')
  }
  return fail(part, `issuer: its discovery document names ${quote(named)}, and tokens must name ${quote(issuer.issuer)} here: ` +
    `all would be refused (unknown_issuer); set ${setting} to what it names`)
}

/**
 * Compares what an issuer calls itself in its discovery document with what its tokens must name. Nothing is said of an issuer
 * that publishes none, nor of one whose keys are found by it: there the fetch of the keys has compared.
 */
export async function checkDiscovery (issuer: IssuerConfig, fetchJson: FetchJson, timeoutMs: number, part: string): Promise<Verdict[]> {
  const base = issuer.reachedAt ?? issuer.issuer
  if (issuer.jwksUri === null || !/^https?:/.test(base) || !URL.canParse(base)) return []
  const fetched = await fetchJson(discoveryAddress(base), { signal: AbortSignal.timeout(timeoutMs), maxBytes: MAX_DOCUMENT_BYTES })
  const named = fetched.ok ? fetched.document['issuer'] : undefined
  return typeof named === 'string' ? [compare(issuer, named, part)] : []
}
