import type { ClientSettings, TokenReason } from './client-options.js'

/** The compact form of a JWS; with any other character it could not travel as a subprotocol (RFC 6455 section 4.1). */
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/**
 * Calls the token callback; null: nobody is signed in. Throws when it fails, takes longer than `timeoutMs`, is `ended`, or gives what is no
 * JWT; no message quotes it.
 */
export async function askToken (
  { token: source, timeoutMs, clock }: Pick<ClientSettings, 'token' | 'timeoutMs' | 'clock'>, reason: TokenReason, ended: AbortSignal
): Promise<string | null> {
  const limit = new AbortController()
  const signal = limit.signal
  const end = (): void => { limit.abort() }
  const cancel = clock.after(timeoutMs, end)
  ended.addEventListener('abort', end)
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => { reject(new Error('the token callback gave nothing in time')) })
  })
  if (ended.aborted) end()
  try {
    const token = await Promise.race([aborted, (async () => await source({ reason, signal }))()])
    if (token === null) return null
    const trimmed = typeof token === 'string' ? token.trim() : ''
    if (!JWT.test(trimmed)) throw new Error('the token callback gave what is no JWT')
    return trimmed
  } finally {
    cancel()
    ended.removeEventListener('abort', end)
  }
}
