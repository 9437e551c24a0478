import type { FetchJson } from '../../tokens/fetch-json.js'
import { createIntrospector, type IntrospectionFault } from '../../tokens/introspect.js'
import type { IssuerConfig } from '../../tokens/issuer-config.js'
import { fail, ok, type Verdict } from './verdict.js'

/** What an operator is to look at; other faults say it by their name. */
const ADVICE: Partial<Record<IntrospectionFault, string>> = {
  timeout: 'did not answer within JWKS_TIMEOUT_MS',
  redirect: 'answered with a redirect, which is not followed: name the address it leads to',
  status: 'answered with another status than 200: is the address right?',
  not_json: 'sent no JSON object: is the address right?',
  no_verdict: 'sent an answer without a boolean `active`: is it an introspection endpoint?'
}

const settingsOf = ({ preset, name }: IssuerConfig): string => preset === 'keycloak'
  ? 'KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET must be those of a confidential client'
  : `JWT_INTROSPECTION_CLIENT_ID and JWT_INTROSPECTION_CLIENT_SECRET, or those of ${name} in ISSUERS`

/** Asks about no token at all: an issuer that takes our client answers that it is not active (RFC 7662 section 2.2). */
export async function checkIntrospection (
  issuer: IssuerConfig, fetchJson: FetchJson, timeoutMs: number, part: string
): Promise<Verdict[]> {
  if (issuer.introspection === null) return []
  const { endpoint } = issuer.introspection
  const introspector = createIntrospector(issuer.introspection, fetchJson, timeoutMs)
  const answer = await introspector.ask('portcullis-check')
  introspector.close()
  if (answer.kind !== 'failed') return [ok(part, 'introspection: answers')]
  const { fault, detail } = answer
  if (fault === 'client_refused') return [fail(part, `introspection: ${endpoint} does not take our client (401): ${settingsOf(issuer)}`)]
  const shown = detail === null ? '' : ` (${detail})`
  return [fail(part, `introspection: ${endpoint} ${ADVICE[fault] ?? `gave no answer: ${fault}`}${shown}`)]
}
