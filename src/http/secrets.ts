import type { ClientAddress } from '../address/client-address.js'
import { refusalAnswer, tooManyFailuresAnswer, type Answer } from './answers.js'
import { createAuthenticator, readBearer, type Authenticate } from './auth.js'
import { createHeldBack, type HeldBack } from './held-back.js'

/** `admin` is for operators, `publish` for back ends. */
export type SecretKind = 'admin' | 'publish'

/** Lower-case names of headers and their values. */
export type RequestHeaders = ReadonlyMap<string, string>

/** Told of each wrong secret. */
export type OnWrongSecret = (kind: SecretKind, address: ClientAddress) => void

/** Who may ask a route. */
export interface Secret {
  readonly kind: SecretKind
  readonly authenticate: Authenticate
  readonly onWrong: OnWrongSecret
  /** Where answers to wrong ones wait. */
  readonly heldBack: HeldBack
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
    read: (headers) => headers.has('authorization') ? readBearer(headers.get('authorization')) ?? '' : null,
    unauthorized: { ...refusalAnswer('invalid_token', 'a valid credential is required'), headers: { 'WWW-Authenticate': 'Bearer' } }
  },
  publish: {
    read: (headers) => headers.get('x-publish-key') ?? null,
    unauthorized: { status: 401, body: { error: 'unauthorized', message: 'X-Publish-Key is missing or wrong' } }
  }
}

/** How long the answer to a wrong secret waits. */
const WRONG_DELAY_MS = 500
/** Answers of one secret that wait at once; beyond, a wrong one is told at once to come later. */
const MAX_DELAYED = 64

/** What is answered to who does not show the secret: for routes, and for the documents. */
export interface Denials {
  readonly unauthorized: Answer
  /** The secret is unset. */
  readonly hidden: Answer
  /** A wrong one while too many wrong ones wait. */
  readonly limited: Answer
}

const HIDDEN = refusalAnswer('not_found')
const LIMITED = tooManyFailuresAnswer(1000)

export function denialsOf (kind: SecretKind): Denials {
  return { unauthorized: PRESENTATIONS[kind].unauthorized, hidden: HIDDEN, limited: LIMITED }
}

/** Makes a secret of its values; none: unset, and what it guards does not exist. */
export function createSecret (
  kind: SecretKind,
  values: readonly string[],
  onWrong: OnWrongSecret,
  heldBack = createHeldBack({ max: MAX_DELAYED, delayMs: WRONG_DELAY_MS })
): Secret {
  return { kind, authenticate: createAuthenticator(values), onWrong, heldBack }
}

/**
 * Checks the secret that a request shows. Null, at once: it may ask. The answer to a wrong secret comes late; that to none
 * comes at once, as any web page can have its visitors send such requests.
 */
export function judgeSecret (secret: Secret | null, headers: RequestHeaders, address: ClientAddress): Answer | Promise<Answer> | null {
  if (secret === null) return null
  const { read, unauthorized } = PRESENTATIONS[secret.kind]
  switch (secret.authenticate(read(headers))) {
    case 'ok': return null
    case 'hidden': return HIDDEN
    case 'missing': return unauthorized
    case 'wrong': {
      secret.onWrong(secret.kind, address)
      return secret.heldBack.wait()?.then(() => unauthorized) ?? LIMITED
    }
  }
}
