import { createDeadline, type FetchFault, type FetchJson } from './fetch-json.js'
import type { IntrospectionSettings } from './issuer-config.js'

/**
 * Why the issuer said nothing about a token. `client_refused`: it does not know our client, or not by this secret;
 * `no_verdict`: its answer has no boolean `active`.
 */
export type IntrospectionFault = FetchFault | 'client_refused' | 'no_verdict'

/** The issuer gave no answer that counts. */
export interface IntrospectionFailure {
  readonly kind: 'failed'
  readonly fault: IntrospectionFault
  /** The code at hand, for operators: an HTTP status, `ENOTFOUND`; null: the fault says it all. */
  readonly detail: string | null
}

/** What the issuer says of a token (RFC 7662 section 2.2). */
export type IntrospectionAnswer = { readonly kind: 'active' | 'inactive' } | IntrospectionFailure

/** Asks one issuer about tokens. */
export interface Introspector {
  /** Never rejects. Ends within the time-out. */
  ask (token: string): Promise<IntrospectionAnswer>
  /** Ends the questions in flight. */
  close (): void
}

const MAX_ANSWER_BYTES = 64 * 1024
/** RFC 7662 section 2.3: our own credentials are not accepted, which says nothing of the token. */
const CLIENT_REFUSED = '401'

/**
 * Makes the introspection client of one issuer (RFC 7662 section 2), which signs in with `client_secret_basic`
 * (RFC 6749 section 2.3.1).
 */
export function createIntrospector (settings: IntrospectionSettings, fetchJson: FetchJson, timeoutMs: number): Introspector {
  const credentials = `${encodeForm(settings.clientId)}:${encodeForm(settings.clientSecret)}`
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  const asking = new Set<() => void>()

  async function send (token: string, signal: AbortSignal): Promise<IntrospectionAnswer> {
    const fetched = await fetchJson(settings.endpoint, {
      signal,
      maxBytes: MAX_ANSWER_BYTES,
      headers: { authorization },
      form: new URLSearchParams({ token, token_type_hint: 'access_token' })
    })
    if (!fetched.ok) return toFailure(fetched.fault, fetched.detail)
    const { active } = fetched.document
    if (typeof active !== 'boolean') return toFailure('no_verdict', null)
    return { kind: active ? 'active' : 'inactive' }
  }

  async function ask (token: string): Promise<IntrospectionAnswer> {
    const { signal, abort } = createDeadline(timeoutMs)
    asking.add(abort)
    const answer = await send(token, signal)
    asking.delete(abort)
    abort()
    return answer
  }

  return {
    ask,
    close: () => { for (const abort of asking) abort() }
  }
}

function toFailure (fault: FetchFault | 'no_verdict', detail: string | null): IntrospectionFailure {
  return fault === 'status' && detail === CLIENT_REFUSED
    ? { kind: 'failed', fault: 'client_refused', detail }
    : { kind: 'failed', fault, detail }
}

function encodeForm (text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
