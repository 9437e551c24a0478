import type { Audit } from '../observe/audit.js'
import { isListed, type ClientAddress } from '../address/client-address.js'
import type { Config } from '../config/config.js'
import type { Report } from '../connection/report.js'
import { createBanOrders } from '../control/ban-orders.js'
import type { Control } from '../control/control.js'
import { createMemoryStrikes, createRedisStrikes } from '../limits/strikes/counters.js'
import { createStrikes } from '../limits/strikes/strikes.js'
import type { RedisConnection } from '../redis/connect.js'
import type { Endings } from './endings.js'
import type { RedisFailures } from './redis-failures.js'
import type { OnFault } from './report.js'

/** Bans addresses that break their limits again and again. */
export interface StrikesPart {
  /** The same report, which also takes down each broken limit of an address. */
  watch (report: Report): Report
  /** Takes down that this address broke its limit, beside what the report tells. */
  strike (address: ClientAddress): void
  /** How long an address is banned by this process alone, while Redis is away, in ms. */
  bannedForMs (addressKey: string): number
  close (): void
}

export interface StrikesDeps {
  readonly config: Config
  readonly redis: RedisConnection | null
  readonly redisFailures: Pick<RedisFailures, 'note'>
  readonly audit: Audit
  readonly onFault: OnFault
  readonly control: Pick<Control, 'ban' | 'bannedForMs'>
  readonly endings: Pick<Endings, 'endBanned'>
}

const NONE: StrikesPart = { watch: report => report, strike () {}, bannedForMs: () => 0, close: () => {} }

/** Puts together how broken limits become bans; nothing with `WS_BAN_AFTER=0`, and in a dry run. */
export function composeStrikes ({ config, redis, redisFailures, audit, onFault, control, endings }: StrikesDeps): StrikesPart {
  const { banAfter, banMs, addressWindowMs, dryRun, allowList } = config.limits
  if (banAfter === 0 || dryRun) return NONE
  const settings = { banAfter, windowMs: addressWindowMs }
  const orders = createBanOrders({
    order: async (address, durationMs) => { await control.ban(address, durationMs) },
    durationMs: banMs,
    onHeld: (address, remainingMs) => { endings.endBanned(new Set([address]), () => Math.max(remainingMs, control.bannedForMs(address))) }
  })
  const local = createMemoryStrikes(settings, () => performance.now())
  const fallback = { onFailure: redisFailures.note, local }
  const strikes = createStrikes({
    shared: redis === null ? null : createRedisStrikes(redis.commands, config.redis?.prefix ?? '', settings, fallback),
    local,
    onEnough (address) {
      audit.addressBanned(address, banMs)
      orders.ban(address)
    },
    onFault: (error) => { onFault(error, 'strikes') }
  })
  // Behind a proxy's own address stands everybody whom it speaks for.
  const spared = [config.upgrade.trustedProxies, allowList].filter(list => list !== null)
  const strike = (address: ClientAddress): void => {
    if (!spared.some(list => isListed(address, list))) strikes.add(address.key)
  }

  return {
    watch: report => ({
      ...report,
      refused (upgrade, refusal) {
        report.refused(upgrade, refusal)
        if (refusal.name === 'ip_rate_limited') strike(upgrade.address)
      },
      ticketRefused (request, refusal) {
        report.ticketRefused(request, refusal)
        if (refusal.name === 'ip_rate_limited') strike(request.address)
      },
      messageLimited (session) {
        report.messageLimited(session)
        strike(session.address)
      }
    }),
    strike,
    bannedForMs: orders.bannedForMs,
    close () {
      strikes.close()
      orders.close()
    }
  }
}
