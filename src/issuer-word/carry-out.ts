import type { Control } from '../control/control.js'
import { SYSTEM_TIMERS, type Timers } from '../timers.js'
import type { Said } from './said.js'
import type { SpentIds } from './spent-ids.js'

export interface CarryOutDeps {
  readonly control: Pick<Control, 'revoke' | 'hold'>
  readonly spent: SpentIds
  readonly timers?: Pick<Timers, 'after'>
}

/** `kept`: by Redis, for every process. `held`: done by this process, and Redis did not say that it is kept. */
export type CarriedOut = 'kept' | 'repeated' | 'held'

/** How long Redis is given before an order is done by this process alone: who was logged out stays no longer than that. */
const HOLD_AFTER_MS = 150

/**
 * Makes what has an issuer's orders done: each is kept before that is said, and its `jti` counts as spent only once they stand. What
 * Redis does not keep at once is done here at once. Never rejects.
 */
export function createCarryOut ({ control, spent, timers = SYSTEM_TIMERS }: CarryOutDeps) {
  async function keep (order: Said['orders'][number]): Promise<boolean> {
    const cancel = timers.after(HOLD_AFTER_MS, () => { control.hold(order) })
    try {
      await control.revoke(order)
      return true
    } catch {
      // It may have been kept all the same: twice does no harm.
      control.hold(order)
      return false
    } finally {
      cancel()
    }
  }

  return async ({ id, orders }: Said, issuer: string): Promise<CarriedOut> => {
    if (await spent.has(issuer, id)) return 'repeated'
    const kept = await Promise.all(orders.map(keep))
    if (kept.includes(false)) return 'held'
    await spent.add(issuer, id)
    return 'kept'
  }
}

export type CarryOut = ReturnType<typeof createCarryOut>
