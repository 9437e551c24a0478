import type { UpgradeSettings } from '../config/config.js'
import { checkOrigin } from '../connection/check-origin.js'
import { showValue } from '../tokens/show-value.js'
import { fail, pass, type Finding } from './finding.js'

const BY_ORIGINS = { setting: 'WS_ALLOWED_ORIGINS' }

/** Whether a page of this origin may connect. `host`: what the client asks for; `''`: not known. */
export function judgeOrigin (origin: string, host: string, settings: UpgradeSettings): Finding {
  if (origin === '') return pass('no origin was given: programs send none, and pass')
  const refusal = checkOrigin(origin, host, settings)
  const allowed = settings.anyOrigin ? '*' : showValue([...settings.origins])
  const own = settings.ownHost ? `, and the own host, which is ${host === '' ? 'not known: give host' : showValue(host)}` : ''
  const both = `origin is ${showValue(origin)}, WS_ALLOWED_ORIGINS is ${allowed}${own}`
  return refusal === null ? pass(both, BY_ORIGINS) : fail(refusal, `${both}; only the exact origin counts, with scheme and port`, BY_ORIGINS)
}
