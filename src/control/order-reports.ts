import { createSampledLines } from '../observe/sampled-lines.js'
import type { ControlMessage } from './messages.js'

/** An order that was heard on the control channel, as the log tells it. */
export interface HeardOrder {
  readonly order: ControlMessage['type']
  readonly userId?: string
  readonly address?: string
  /** `jti`, `sid` or `sub`, and the id. */
  readonly revocation?: string
  /** Orders of this kind that were heard since its line before and are not told one by one. */
  readonly dropped?: number
}

const PERIOD_MS = 10_000
const MOST_IN_PERIOD = 50

function describe (message: ControlMessage): HeardOrder {
  switch (message.type) {
    case 'disconnect': return { order: message.type, userId: message.user_id }
    case 'recheck': return { order: message.type, ...(typeof message.user_id === 'string' && { userId: message.user_id }) }
    case 'ban':
    case 'unban': return { order: message.type, address: message.address }
    case 'revoke': return { order: message.type, revocation: `${message.revocation.kind} ${message.revocation.id}` }
    case 'unrevoke': return { order: message.type, revocation: `${message.target.kind} ${message.target.id}` }
  }
}

export interface OrderReports {
  /** Tells of an order that was heard. */
  note (message: ControlMessage): void
  /** Tells how many were held back. */
  close (): void
}

/**
 * Tells of orders that are heard: at most 50 of each kind in 10 s, so that a back end cannot flood the log, nor hide one kind
 * behind another. How many more there were is told when the 10 s are over. `now`: monotonic, in ms.
 */
export function createOrderReports (report: (heard: HeardOrder) => void, now: () => number): OrderReports {
  const lines = createSampledLines({ periodMs: PERIOD_MS, mostInPeriod: MOST_IN_PERIOD, now })
  return {
    note (message) {
      lines.note(message.type, 1, (count, isLatest) => {
        if (!isLatest) report({ order: message.type, dropped: count })
        else report({ ...describe(message), ...(count > 1 && { dropped: count - 1 }) })
      })
    },
    close: lines.close
  }
}
