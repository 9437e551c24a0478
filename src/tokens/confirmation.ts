import { isObject } from './token-format.js'

/** The key that a token is bound to: its presenter must prove to hold that key. */
export interface Confirmation {
  /** SHA-256 thumbprint of the key (RFC 9449 section 6.1); null: bound by something that no DPoP proof shows. */
  readonly jkt: string | null
}

/** What a token is bound to (RFC 7800 section 3.1: `cnf`; Keycloak also says it in `typ`); null: nothing, it is a bearer token. */
export function readConfirmation (claims: Readonly<Record<string, unknown>>): Confirmation | null {
  const { cnf, typ } = claims
  if (cnf === undefined && !(typeof typ === 'string' && typ.toLowerCase() === 'dpop')) return null
  // Bound to a certificate beside the key: proof of one is no proof of both.
  const isByKeyAlone = isObject(cnf) && Object.keys(cnf).length === 1
  const jkt = isByKeyAlone ? cnf['jkt'] : null
  return { jkt: typeof jkt === 'string' && jkt !== '' ? jkt : null }
}

/** Whether a token counts: it is bound to nothing, or to the key that a proof showed. */
export function isProven (confirmation: Confirmation | null, provenThumbprint: string | undefined): boolean {
  return confirmation === null || (confirmation.jkt !== null && confirmation.jkt === provenThumbprint)
}
