import type { UpgradeSettings } from '../config/config.js'
import { refuse, type Refusal } from '../refusals.js'

const FORBIDDEN = refuse('forbidden', { detail: 'origin' })

/**
 * Cross-site WebSocket hijacking: a browser sends `Origin` and cannot be made to lie about it. Exact comparison only;
 * `ownHost`: the very host that was asked passes as well, which apps send that have no page. Programs send none and pass.
 */
export function checkOrigin (origin: string, host: string, settings: UpgradeSettings): Refusal | null {
  if (origin === '' || settings.anyOrigin || settings.origins.has(origin)) return null
  const sameHost = settings.ownHost && host !== '' && (origin === `http://${host}` || origin === `https://${host}`)
  return sameHost ? null : FORBIDDEN
}
