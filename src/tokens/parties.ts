import { firstClaim } from './claim-rules.js'
import { isObject } from './token-format.js'

/** Who else stands in a token beside its user. */
export interface Parties {
  /** The client that asked for it; null: the token does not say. */
  readonly client: string | null
  /** Who acts for the user (RFC 8693 section 4.1); null: the user alone. */
  readonly actor: string | null
}

/** Claims that name the client: OpenID Connect and Keycloak, RFC 9068 and Cognito, Okta, Entra v1 and ADFS. */
const CLIENT_CLAIMS = ['azp', 'client_id', 'cid', 'appid']

/** Reads them from claims, which may be of any form: what is no text is nobody. */
export function readParties (claims: Readonly<Record<string, unknown>>): Parties {
  const { act } = claims
  return { client: textOrNull(firstClaim(claims, CLIENT_CLAIMS)), actor: isObject(act) ? textOrNull(act['sub']) : null }
}

function textOrNull (value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}
