import type { ClientSettings } from './client-options.js'
import { CLOSE_POLICY, type Ending } from './close-policy.js'

/** What became of asking for a ticket: one; nothing, so that the token has to do; or an end of this attempt, with the time to wait. */
export type TicketAnswer = { readonly ticket: string } | { readonly ending: Ending } | null

/** The refusals that the same attempt by token would meet as well. */
const LATER = ['ip_rate_limited', 'restarting', 'overloaded', 'unavailable'] as const

function readEnding (answer: Readonly<Record<string, unknown>>): Ending | null {
  const name = LATER.find(name => name === answer['error'])
  if (name === undefined) return null
  const { retry_after_s: waitS } = answer
  return { name, code: null, reconnect: CLOSE_POLICY[name].reconnect, retryAfterMs: typeof waitS === 'number' && waitS >= 0 ? waitS * 1000 : null }
}

/** Asks for a ticket with the token, which then stands in no URL and no subprotocol. Never rejects. */
export async function takeTicket (
  url: URL, token: string, { timeoutMs, clock }: Pick<ClientSettings, 'timeoutMs' | 'clock'>, ended: AbortSignal
): Promise<TicketAnswer> {
  const limit = new AbortController()
  const end = (): void => { limit.abort() }
  const cancel = clock.after(timeoutMs, end)
  ended.addEventListener('abort', end)
  try {
    const response = await fetch(url, {
      method: 'POST', headers: { Authorization: `Bearer ${token}` }, credentials: 'omit', redirect: 'error', signal: limit.signal
    })
    const answer = await response.json() as Readonly<Record<string, unknown>>
    if (response.status === 201 && typeof answer['ticket'] === 'string') return { ticket: answer['ticket'] }
    const ending = readEnding(answer)
    return ending === null ? null : { ending }
  } catch {
    // No such path, another origin, or no network: the attempt itself tells.
    return null
  } finally {
    cancel()
    ended.removeEventListener('abort', end)
  }
}
