import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Config } from '../../config/config.js'
import { fail, ok, warn, type Verdict } from './verdict.js'

const DAY_MS = 86_400_000
/** Who renews certificates by themselves does it about now. */
const SOON_DAYS = 21

/** Looks at the time for which the certificate is good; that the files fit was looked at with the settings. */
export function checkCertificate (tls: Config['server']['tls'], nowMs: number): Verdict[] {
  if (tls === null) return [ok('tls', 'off: the main port speaks plain WebSocket, so that something in front of it must speak TLS')]
  const { validFrom, validTo } = new X509Certificate(readFileSync(tls.certFile))
  const untilMs = Date.parse(validTo)
  const days = Math.floor((untilMs - nowMs) / DAY_MS)
  const until = new Date(untilMs).toISOString()
  if (nowMs < Date.parse(validFrom)) return [fail('tls', `the certificate is not good before ${new Date(Date.parse(validFrom)).toISOString()}`)]
  if (nowMs >= untilMs) return [fail('tls', `the certificate ended at ${until}`)]
  const ends = `the certificate ends at ${until}, in ${days} days`
  return [days < SOON_DAYS ? warn('tls', `${ends}: renew it, then send SIGHUP`) : ok('tls', ends)]
}
