import { readClaims } from './token-claims.js'

/** Says how long a token still lives, by the gateway's clock and the time that has passed since: never by the clock of this machine. */
export interface TokenLife {
  /** Ms until the end that the gateway told for this token, below 0 when it is over; null when neither says anything. */
  leftMs (token: string, expiresAt: string): number | null
}

/** From issue to end, in ms: the most that can be left of it. Null: the token does not say. */
function lifeMs (token: string): number | null {
  const { exp, iat } = readClaims(token)
  return typeof exp === 'number' && typeof iat === 'number' ? (exp - iat) * 1000 : null
}

/**
 * `time`: of the gateway's clock at this moment, from `welcome`; undefined from gateways that do not tell it: then a token counts as new
 * when it is presented, and `expiring` comes in time for one that is not. `now`: monotonic, in ms.
 */
export function createTokenLife (time: string | undefined, now: () => number): TokenLife {
  const gatewayMs = Date.parse(time ?? '')
  const receivedAtMs = now()
  if (Number.isNaN(gatewayMs)) return { leftMs: lifeMs }
  return {
    leftMs (token, expiresAt) {
      const leftMs = Date.parse(expiresAt) - gatewayMs - (now() - receivedAtMs)
      return Number.isNaN(leftMs) ? lifeMs(token) : leftMs
    }
  }
}
