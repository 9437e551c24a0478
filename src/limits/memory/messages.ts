import { GRANT_SETTLE_MS, type Grant, type GrantRequest, type GrantSettlement, type LimitSettings } from '../limiter.js'
import { createSlidingWindow, createWindowLog, type WindowLog } from './window.js'
import { createTwoGenerationMap } from '../../collections/two-generation-map.js'

/** What a window has room for; `retryAfterMs` until it has room, or 0. */
export interface MessagesLeft { readonly left: number, readonly retryAfterMs: number }

/** The message windows of all addresses, in memory; every time is in ms of the caller's clock. */
export interface MessageWindow {
  take (request: GrantRequest, now: number): Grant
  settle (settled: readonly GrantSettlement[], now: number): void
  /** Counts messages that were granted elsewhere, as far as there is room. */
  note (address: string, count: number, now: number): void
  left (address: string, now: number): MessagesLeft
  /** Addresses remembered. */
  size (): number
}

/** The spare messages of one grant, until it is settled. */
interface Lent {
  readonly until: number
  readonly count: number
}

interface MessageLog extends WindowLog {
  /** Those not settled yet, the oldest first. */
  lent: Lent[]
}

/** The last few messages of a window go one by one, as in Redis. */
const FEW = 4

/** Makes the windows, each of which counts as those in Redis do; at most `maxAddresses` of them. */
export function createMessageWindow ({ messages, messageWindowMs }: LimitSettings, maxAddresses: number): MessageWindow {
  const window = createSlidingWindow(messages, messageWindowMs, GRANT_SETTLE_MS)
  const logs = createTwoGenerationMap<MessageLog>(maxAddresses, 2 * messageWindowMs + GRANT_SETTLE_MS)

  const lend = (log: MessageLog, count: number, now: number): void => {
    log.lent = log.lent.filter(({ until }) => until > now)
    if (count === 0) return
    const until = now + GRANT_SETTLE_MS
    window.add(log, until, count)
    log.lent.push({ until, count })
  }
  const findUnsettledMs = ({ lent, sum }: MessageLog, now: number): number => {
    const last = lent.at(-1)
    const total = lent.reduce((held, { count }) => held + count, 0)
    return last === undefined || sum - total >= messages ? 0 : last.until - now
  }
  const take = ({ address, demand, spare }: GrantRequest, now: number): Grant => {
    const log = logs.get(address) ?? { ...createWindowLog(), lent: [] }
    const left = Math.max(0, messages - window.update(log, now))
    const waited = Math.min(demand, left)
    const rest = left - waited
    const extra = rest >= FEW ? Math.min(spare, Math.floor(rest / 2)) : 0
    window.add(log, now, waited)
    lend(log, extra, now)
    logs.set(address, log, now)
    const grant = { id: `${now}:${waited}`, granted: waited + extra }
    if (waited === demand) return { ...grant, retryAfterMs: 0, unsettledMs: 0 }
    return { ...grant, retryAfterMs: window.waitMs(log, now), unsettledMs: findUnsettledMs(log, now) }
  }
  const settleOne = ({ address, id, granted, spent, lastSpentMs }: GrantSettlement, now: number): void => {
    const log = logs.get(address)
    if (log === undefined) return
    const [madeAt = 0, waited = 0] = id.split(':').map(Number)
    const until = madeAt + GRANT_SETTLE_MS
    const extra = Math.min(granted - waited, window.countAt(log, until))
    window.add(log, until, -extra)
    const lastSpentAt = madeAt + Math.min(GRANT_SETTLE_MS, Math.max(0, Math.ceil(lastSpentMs)))
    window.add(log, Math.min(now, lastSpentAt), Math.min(extra, Math.max(0, spent - waited)))
    const place = log.lent.findIndex((lent) => lent.until === until && lent.count === granted - waited)
    if (place >= 0) log.lent.splice(place, 1)
  }
  return {
    take,
    settle: (settled, now) => { for (const one of settled) settleOne(one, now) },
    note (address, count, now) {
      if (count === 0) return
      const log = logs.get(address) ?? { ...createWindowLog(), lent: [] }
      window.add(log, now, Math.min(count, Math.max(0, messages - window.update(log, now))))
      logs.set(address, log, now)
    },
    left (address, now) {
      const log = logs.get(address)
      const left = log === undefined ? messages : Math.max(0, messages - window.update(log, now))
      return { left, retryAfterMs: log === undefined || left > 0 ? 0 : window.waitMs(log, now) }
    },
    size: () => logs.size
  }
}
