import { discoveryAddress } from '../../tokens/fetch-keys.js'
import type { IssuerConfig } from '../../tokens/issuer-config.js'
import type { SendRequest } from '../../tokens/issuer-route.js'

/**
 * How far the issuer's clock is ahead of ours, in ms, by the `Date` of its answer (RFC 9110 section 6.6.1), less the time it
 * lay in a cache; null when it does not say. Exact to about a second. Never rejects.
 */
export async function measureClock ({ issuer, jwksUri }: IssuerConfig, send: SendRequest, timeoutMs: number): Promise<number | null> {
  const address = jwksUri ?? discoveryAddress(issuer)
  try {
    const askedAtMs = Date.now()
    const response = await send(address, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs), headers: { connection: 'close' } })
    const middleMs = (askedAtMs + Date.now()) / 2
    await response.body?.cancel()
    const saidMs = Date.parse(response.headers.get('date') ?? '') + Number(response.headers.get('age') ?? 0) * 1000
    // It was cut to whole seconds: in the middle of that second the error is least.
    return Number.isFinite(saidMs) ? saidMs + 500 - middleMs : null
  } catch {
    return null
  }
}
