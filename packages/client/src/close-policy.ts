/** Whether, and how, to come back after a connection ended. */
export type Reconnect = 'no' | 'with a new token' | 'after the delay' | 'with back-off' | 'yes'

/** The gateway's refusals that a close can tell, by their names. Of those that share a code the first stands for it. */
export const CLOSE_POLICY = {
  normal: { code: 1000, reconnect: 'no' },
  bad_request: { code: 4400, reconnect: 'no' },
  bad_message: { code: 4400, reconnect: 'no' },
  invalid_token: { code: 4401, reconnect: 'with a new token' },
  missing_token: { code: 4401, reconnect: 'with a new token' },
  expired_token: { code: 4401, reconnect: 'with a new token' },
  revoked: { code: 4401, reconnect: 'with a new token' },
  forbidden: { code: 4403, reconnect: 'no' },
  disconnected: { code: 4403, reconnect: 'no' },
  banned: { code: 4403, reconnect: 'after the delay' },
  too_many_requests: { code: 4429, reconnect: 'after the delay' },
  ip_rate_limited: { code: 4429, reconnect: 'after the delay' },
  user_connection_limit: { code: 4429, reconnect: 'after the delay' },
  frame_too_large: { code: 1009, reconnect: 'no' },
  idle: { code: 4408, reconnect: 'yes' },
  slow_consumer: { code: 4508, reconnect: 'yes' },
  restarting: { code: 1012, reconnect: 'after the delay' },
  overloaded: { code: 1013, reconnect: 'with back-off' },
  unavailable: { code: 4503, reconnect: 'with back-off' }
} as const satisfies Record<string, { readonly code: number, readonly reconnect: Reconnect }>

/** What ended a connection or an attempt, when no close of the gateway did. */
export type OwnEnding =
  /** The network, or an HTTP refusal, which no browser shows: 1006. */
  | 'connection_lost'
  /** No `welcome`, or no answer to a re-subscription, in time. */
  | 'no_answer'
  /** The keep-alive ping was not answered. */
  | 'silent'
  /** The token callback failed, took too long, or gave what is no token. */
  | 'token_failed'
  /** The token callback gave null. */
  | 'signed_out'
  /** `close()` was called, or the signal aborted. */
  | 'closed'

export interface Ending {
  readonly name: keyof typeof CLOSE_POLICY | OwnEnding
  /** Close code of the socket; null where there was none. */
  readonly code: number | null
  readonly reconnect: Reconnect
  /** Not sooner than this, in ms from the end; null when nothing was told. */
  readonly retryAfterMs: number | null
  /** With `token_failed`: what the token callback threw, or what was wrong with what it gave. */
  readonly cause?: unknown
}

type Name = keyof typeof CLOSE_POLICY
const isName = (name: unknown): name is Name => typeof name === 'string' && Object.hasOwn(CLOSE_POLICY, name)
const NAMES = Object.keys(CLOSE_POLICY).filter(isName)

/** Whether this refusal stands whenever the same is asked again. */
export const isFinal = (name: string): boolean => isName(name) && CLOSE_POLICY[name].reconnect === 'no'

/** An ending by which the gateway's table forbids to come back, found before the gateway had to close. */
export const finalEnding = (name: 'bad_request'): Ending => ({ name, code: null, reconnect: CLOSE_POLICY[name].reconnect, retryAfterMs: null })

/** Whether a gateway brought it about, by a close that tells why. */
export const isGatewayEnding = ({ name }: Pick<Ending, 'name'>): boolean => isName(name)

function readReason (reason: string): { error?: unknown, retry_after_ms?: unknown } {
  try {
    return (JSON.parse(reason) as { error?: unknown, retry_after_ms?: unknown } | null) ?? {}
  } catch {
    return {}
  }
}

/** Reads a close: by the name in its reason, else by its code. A code that is not in the table means back-off. */
export function readClose (code: number, reason: string): Ending {
  const { error, retry_after_ms: retryAfterMs } = readReason(reason)
  const name = isName(error) && CLOSE_POLICY[error].code === code ? error : NAMES.find(name => CLOSE_POLICY[name].code === code)
  return {
    name: name ?? 'connection_lost',
    code,
    reconnect: name === undefined ? 'with back-off' : CLOSE_POLICY[name].reconnect,
    retryAfterMs: typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : null
  }
}

const FINAL: readonly OwnEnding[] = ['closed', 'signed_out']

/** An ending that the client itself brought about. `cause`: the error behind it, where there is one. */
export function ownEnding (name: OwnEnding, cause?: unknown): Ending {
  const ending = { name, code: null, reconnect: FINAL.includes(name) ? 'no' : 'with back-off', retryAfterMs: null } as const
  return cause === undefined ? ending : { ...ending, cause }
}
