import type { ClientAddress } from '../address/client-address.js'
import { refusalAnswer, tooManyFailuresAnswer, type Answer } from './answers.js'
import { createAuthenticator, readBearer, type Authenticate, type Authentication } from './auth.js'

/** `admin` is for operators, `publish` for back ends. */
export type SecretKind = 'admin' | 'publish'

/** Lower-case names of headers and their values. */
export type RequestHeaders = ReadonlyMap<string, string>

/** Who may ask a route. */
export interface Secret {
  readonly kind: SecretKind
  readonly authenticate: Authenticate
}

interface Presentation {
  /** Null: none was shown. */
  read (headers: RequestHeaders): string | null
  /** 401 */
  readonly unauthorized: Answer
}

/** How each secret is shown, and what is answered to a wrong one. */
const PRESENTATIONS: Readonly<Record<SecretKind, Presentation>> = {
  admin: {
    read: (headers) => readBearer(headers.get('authorization')),
    unauthorized: { ...refusalAnswer('invalid_token', 'a valid credential is required'), headers: { 'WWW-Authenticate': 'Bearer' } }
  },
  publish: {
    read: (headers) => headers.get('x-publish-key') ?? null,
    unauthorized: { status: 401, body: { error: 'unauthorized', message: 'X-Publish-Key is missing or wrong' } }
  }
}

/** Makes a secret with a count of failures of its own. Null: unset, and what it guards does not exist. */
export function createSecret (kind: SecretKind, value: string | null): Secret {
  return { kind, authenticate: createAuthenticator({ secret: value }) }
}

/** The answer to an authentication that failed; null when it did not. */
export function denialAnswer (kind: SecretKind, authentication: Authentication): Answer | null {
  switch (authentication.verdict) {
    case 'ok': return null
    case 'hidden': return refusalAnswer('not_found')
    case 'unauthorized': return PRESENTATIONS[kind].unauthorized
    case 'limited': return tooManyFailuresAnswer(authentication.retryAfterMs)
  }
}

/** Checks the secret that a request shows; failures count against `address`. Null: it may ask. */
export function judgeSecret (secret: Secret | null, headers: RequestHeaders, address: ClientAddress): Answer | null {
  if (secret === null) return null
  return denialAnswer(secret.kind, secret.authenticate(PRESENTATIONS[secret.kind].read(headers), address.key))
}
