import type { ClientAddress } from '../address/client-address.js'
import { createAddressState } from '../connection/address-state.js'
import type { LimitsReading } from '../limits/reading.js'
import { refuse, type Refusal } from '../refusals.js'
import { fail, pass, type Finding } from './finding.js'

export interface JudgeAddressDeps {
  /** Decided, and let through. */
  readonly dryRun: boolean
  readonly windowMs: number
  readonly isExempt: (address: ClientAddress) => boolean
  /** Also in a dry run, where it refuses nobody. */
  readonly bannedForMs: (address: ClientAddress) => number
  /** For how long this process knows the address to be over its limit, in ms. */
  readonly knownBlockMs: (addressKey: string) => number
}

export const LIMITS_AWAY = refuse('unavailable', { retryAfterMs: 1000, detail: 'limits' })
const BY_LIMIT = { setting: 'WS_IP_CONNECTIONS' }
const BY_POLICY = { setting: 'WS_LIMITS_ON_REDIS_DOWN' }
const LET_THROUGH = 'WS_LIMITS_MODE is dry-run: it is let through'

const seconds = (ms: number): number => Math.ceil(ms / 1000)

/** What an attempt of this address would meet. `reading`: null: the program's own limiter decides. */
export function judgeAddress (deps: JudgeAddressDeps, address: ClientAddress | null, reading: LimitsReading | null): Finding {
  if (address === null) return pass('no address was given: bans and the limit of attempts are left out')
  if (deps.isExempt(address)) return pass(`${address.ip} is on the allow list: its attempts are not counted`, { setting: 'WS_IP_ALLOW_LIST' })
  const state = createAddressState({ blockedForMs: deps.knownBlockMs, bannedForMs: deps.bannedForMs })
  const banned = state.banned(address)
  if (banned !== null) {
    const because = `${address.key} is banned for ${seconds(banned.retryAfterMs ?? 0)} s more, by an operator or by WS_BAN_AFTER`
    return refuseUnlessDry(deps, banned, because, { setting: 'WS_BAN_AFTER' })
  }
  const known = state.overLimit(address)
  if (known !== null) {
    const because = `this process has refused it, and knows that it is over for ${seconds(known.retryAfterMs ?? 0)} s more`
    return refuseUnlessDry(deps, known, because, BY_LIMIT)
  }
  return reading === null ? pass('the program\'s own limiter decides, and is not asked') : judgeReading(deps, address, reading)
}

function judgeReading (deps: JudgeAddressDeps, { key }: ClientAddress, { address, decidedBy, isDegraded }: LimitsReading): Finding {
  if (decidedBy === 'nobody_passes') return fail(LIMITS_AWAY, 'Redis is away, and WS_LIMITS_ON_REDIS_DOWN is closed', BY_POLICY)
  if (decidedBy === 'everybody_passes') return pass('Redis is away, and WS_LIMITS_ON_REDIS_DOWN is open', BY_POLICY)
  if (address === null) return refuseUnlessDry(deps, LIMITS_AWAY, 'Redis cannot decide for this address: see redis.denied in the log', {})
  const here = isDegraded ? 'this process alone, as Redis is away and WS_LIMITS_ON_REDIS_DOWN is local' : 'this process'
  const by = decidedBy === 'redis' ? 'Redis' : here
  const counted = `${address.used} attempts of ${key} count in ${deps.windowMs / 1000} s, WS_IP_CONNECTIONS is ${address.limit}; counted by ${by}`
  if (address.waitMs === 0) return pass(counted, BY_LIMIT)
  const refusal = refuse('ip_rate_limited', { retryAfterMs: address.waitMs })
  return refuseUnlessDry(deps, refusal, `${counted}; there is room in ${seconds(address.waitMs)} s`, BY_LIMIT)
}

function refuseUnlessDry (
  { dryRun }: JudgeAddressDeps, refusal: Refusal, because: string, decided: { readonly setting?: string }
): Finding {
  return dryRun ? pass(`${because}; ${LET_THROUGH}`, { setting: 'WS_LIMITS_MODE' }) : fail(refusal, because, decided)
}
