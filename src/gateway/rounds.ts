import { startRounds } from '../connection/rounds.js'
import type { Registry } from '../connection/registry.js'
import type { Config } from '../config/config.js'
import type { Limiter } from '../limits/limiter.js'
import type { OnFault } from './report.js'

export interface RoundsDeps {
  readonly config: Config
  readonly registry: Registry
  readonly limiter: Pick<Limiter, 'renew'>
  readonly onFault: OnFault
}

/** Periodic work on every open connection: its lease is renewed three times in a lease, with others in one call, and it is pinged. */
export interface Rounds {
  start (): void
  stop (): void
}

const RENEWALS_PER_LEASE = 3
const MAX_RENEWED_PER_CALL = 500

/** Makes the rounds of one process. */
export function createRounds ({ config, registry, limiter, onFault }: RoundsDeps): Rounds {
  const running: Array<ReturnType<typeof startRounds>> = []
  function startRenewals (): void {
    running.push(startRounds(registry, config.limits.leaseMs / RENEWALS_PER_LEASE, (sessions) => {
      const leases = [...sessions].filter(session => !session.vacated).map(session => session.lease)
      for (let i = 0; i < leases.length; i += MAX_RENEWED_PER_CALL) {
        limiter.renew(leases.slice(i, i + MAX_RENEWED_PER_CALL)).catch((error: unknown) => { onFault(error, 'renew') })
      }
    }, MAX_RENEWED_PER_CALL))
  }
  function startPings (): void {
    running.push(startRounds(registry, config.server.pingIntervalMs, (sessions) => {
      for (const session of sessions) session.socket.ping()
    }))
  }
  return {
    start () {
      startRenewals()
      startPings()
    },
    stop () { for (const rounds of running.splice(0)) rounds.stop() }
  }
}
