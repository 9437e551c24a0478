import { createDeadline, type FetchJson } from './fetch-json.js'
import type { IssuerConfig } from './issuer-config.js'
import type { TokenFault } from './token-fault.js'

/** Asks the issuer whether a token is still active: null when it is. Never rejects. */
export interface Introspector {
  ask (token: string): Promise<TokenFault | null>
  /** Ends the questions in flight. */
  close (): void
}

const MAX_ANSWER_BYTES = 64 * 1024

/**
 * Makes the introspection client of one issuer (RFC 7662 section 2), which signs in with `client_secret_basic`
 * (RFC 6749 section 2.3.1). One question in flight per token.
 */
export function createIntrospector (
  settings: NonNullable<IssuerConfig['introspection']>, fetchJson: FetchJson, timeoutMs: number
): Introspector {
  const credentials = `${encodeForm(settings.clientId)}:${encodeForm(settings.clientSecret)}`
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  const asking = new Map<string, { readonly fault: Promise<TokenFault | null>, abort (): void }>()

  async function send (token: string, signal: AbortSignal): Promise<TokenFault | null> {
    const fetched = await fetchJson(settings.endpoint, {
      signal,
      maxBytes: MAX_ANSWER_BYTES,
      headers: { authorization },
      form: new URLSearchParams({ token, token_type_hint: 'access_token' })
    })
    if (!fetched.ok) return 'introspection_unavailable'
    return fetched.document['active'] === true ? null : 'inactive'
  }

  function ask (token: string): Promise<TokenFault | null> {
    const asked = asking.get(token)
    if (asked !== undefined) return asked.fault
    const deadline = createDeadline(timeoutMs)
    const fault = send(token, deadline.signal).finally(() => {
      deadline.abort()
      asking.delete(token)
    })
    asking.set(token, { fault, abort: deadline.abort })
    return fault
  }

  return {
    ask,
    close: () => { for (const each of asking.values()) each.abort() }
  }
}

function encodeForm (text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
